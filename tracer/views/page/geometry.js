// Arithmetic on boxes, without anything to look at.

export const range = (n) => [...Array(n).keys()];

export const boxOf = (list, i) => list.subarray(4 * i, 4 * i + 4);

// The smallest of some boxes around a point, or -1.
export function boxAt(boxes, indices, x, y) {
  const area = (i) => {
    const [x1, y1, x2, y2] = boxOf(boxes, i);
    return x >= x1 && x <= x2 && y >= y1 && y <= y2 ? (x2 - x1) * (y2 - y1) : Infinity;
  };
  return indices.reduce((best, i) => (area(i) < (best < 0 ? Infinity : area(best)) ? i : best), -1);
}

// Which of `count` points, `stride` pixels apart, a pixel is nearest to; `first` is where their cells begin.
export const cellAt = (pixel, stride, first, count) => Math.max(0, Math.min(Math.floor(pixel / stride - first), count - 1));

// The places along one axis where RoIAlign samples a box: `count` in each of its bins.
export const samples = (start, bin, bins, count) => range(bins * count).map((i) => start + ((i + 0.5) / count) * bin);
