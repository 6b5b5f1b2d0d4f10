// Boxes, maps and points over a picture, for the page and for decks; scene.py says what they are.

export function outline(context, [x1, y1, x2, y2], ink, width, edge = "#00000080") {
  for (const [wide, colour] of [[1.8 * width, edge], [width, ink]]) {
    Object.assign(context, { lineWidth: wide, strokeStyle: colour });
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
  }
}

// A map, a cell for each of its `pixels`: point i stands at i strides, `first` is where the first cell begins.
export function overlaid(context, pixels, [down, right], first) {
  context.imageSmoothingEnabled = false;
  context.drawImage(pixels, first * right, first * down, pixels.width * right, pixels.height * down);
}

// Points of a list [x, y, x, y, …], as squares of a size.
export function dots(context, points, ink, size) {
  context.fillStyle = ink;
  for (let i = 0; i < points.length; i += 2) context.fillRect(points[i] - size / 2, points[i + 1] - size / 2, size, size);
}

// Lines that part a box into rows and columns.
export function ruled(context, [x, y, wide, high], [rows, columns], ink, width) {
  Object.assign(context, { strokeStyle: ink, lineWidth: width });
  context.beginPath();
  for (let k = 0; k <= columns; k++) { context.moveTo(x + (k * wide) / columns, y); context.lineTo(x + (k * wide) / columns, y + high); }
  for (let k = 0; k <= rows; k++) { context.moveTo(x, y + (k * high) / rows); context.lineTo(x + wide, y + (k * high) / rows); }
  context.stroke();
}

// How much of one rectangle lies in another, 0–1.
function hidden([x1, y1, x2, y2], [left, top, right, bottom]) {
  const [wide, high] = [Math.min(x2, right) - Math.max(x1, left), Math.min(y2, bottom) - Math.max(y1, top)];
  return wide > 0 && high > 0 ? (wide * high) / Math.max((x2 - x1) * (y2 - y1), 1e-9) : 0;
}

// Where names of such sizes stand, in the picture: each at the corner of its box where it hides least of all
// boxes, and no other name; null for nowhere. The rule of places() in scene.py.
export function places(boxes, sizes, [width, height]) {
  const taken = [];
  const inside = (value, room) => Math.max(0, Math.min(value, room));
  return boxes.map(([x1, y1, x2, y2], i) => {
    const [wide, high] = sizes[i];
    const corners = [[x1, y1 - high], [x1, y2], [x2 - wide, y1 - high], [x2 - wide, y2], [x1, y1], [x2 - wide, y1], [x1, y2 - high], [x2 - wide, y2 - high]];
    const free = corners.map(([x, y]) => [inside(x, width - wide), inside(y, height - high)])
      .map(([x, y]) => [x, y, x + wide, y + high]).filter((place) => !taken.some((other) => hidden(other, place)));
    const costs = free.map((place) => boxes.reduce((sum, box) => sum + hidden(box, place), 0));
    const place = free[costs.indexOf(Math.min(...costs))];
    if (place) taken.push(place);
    return place ? place.slice(0, 2) : null;
  });
}

// Writes names at boxes, dark or light on their colours; `look(i)` gives text, colour and ink.
export function name(context, boxes, look, size, family, frame) {
  context.font = `600 ${size}px ${family}`;
  context.textBaseline = "middle";
  const tall = 1.3 * size;
  const looks = boxes.map((_, i) => look(i));
  const sizes = looks.map(([text]) => [context.measureText(text).width + 0.6 * size, tall]);
  places(boxes, sizes, frame).forEach((place, i) => {
    if (!place) return;
    const [text, colour, ink] = looks[i];
    context.fillStyle = colour;
    context.fillRect(...place, ...sizes[i]);
    context.fillStyle = ink;
    context.fillText(text, place[0] + 0.3 * size, place[1] + 0.53 * tall);
  });
}
