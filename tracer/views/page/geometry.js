// Arithmetic on boxes and maps, without anything to look at.

/** The smallest of some boxes around a point, or -1. */
export function boxAt(boxes, indices, x, y) {
  let best = -1;
  let least = Infinity;
  for (const i of indices) {
    const [x1, y1, x2, y2] = boxes.subarray(4 * i, 4 * i + 4);
    const area = (x2 - x1) * (y2 - y1);
    if (x >= x1 && x <= x2 && y >= y1 && y <= y2 && area < least) [best, least] = [i, area];
  }
  return best;
}

/** Where RoIAlign samples a box: in cells of its level, as torchvision.ops.roi_align does. */
export function layGrid(box, scale, [rows, columns], ratio) {
  const [x1, y1, x2, y2] = Array.from(box, (v) => v * scale);
  const size = [Math.max(x2 - x1, 1) / columns, Math.max(y2 - y1, 1) / rows];
  const [across, down] = size.map((s) => (ratio > 0 ? ratio : Math.max(1, Math.ceil(s))));
  const points = [];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      for (let a = 0; a < down; a++) {
        for (let b = 0; b < across; b++) {
          points.push([x1 + (j + (b + 0.5) / across) * size[0], y1 + (i + (a + 0.5) / down) * size[1]]);
        }
      }
    }
  }
  return { x1, y1, size, rows, columns, points, perBin: across * down };
}

/** The value of a map between its cells; 0 for a point off the map by more than one. */
function bilinear(values, width, height, x, y) {
  if (x < -1 || y < -1 || x > width || y > height) return 0;
  const place = (v, size) => {
    const low = Math.min(Math.floor(Math.max(v, 0)), size - 1);
    return [low, Math.min(low + 1, size - 1), low >= size - 1 ? 0 : Math.max(v, 0) - low];
  };
  const [left, right, u] = place(x, width);
  const [top, bottom, v] = place(y, height);
  const row = (k) => values[k * width + left] * (1 - u) + values[k * width + right] * u;
  return row(top) * (1 - v) + row(bottom) * v;
}

/** Average the samples of each bin. */
export function pool(grid, values, width, height) {
  return Array.from({ length: grid.rows * grid.columns }, (_, bin) => {
    const points = grid.points.slice(bin * grid.perBin, (bin + 1) * grid.perBin);
    return points.reduce((sum, [x, y]) => sum + bilinear(values, width, height, x, y), 0) / points.length;
  });
}
