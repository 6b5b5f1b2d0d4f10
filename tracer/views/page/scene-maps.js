// Maps: the tensor at hand over the picture, the merges of the FPN, RoIAlign's grid.
import { colour, el, mapped, num, paint } from "./dom.js";
import { at, inkOf, noted, rebuild, slider, strokeClearly } from "./drawing.js";
import { boxAt, range, samples } from "./geometry.js";
import { drawNow, local, rec, say, shown } from "./page.js";

export const overlay = {
  controls: () => slider("opacity", { max: 1, step: 0.05, show: (v) => `${Math.round(v * 100)} %` }),

  draw({ first }, context) {
    const plane = meanPlane();
    if (!plane) return;
    const { summary: { shape: [, , rows, columns] }, preview: { stride } } = shown.tensor;
    const [height, width] = at.scene.padded;
    Object.assign(context, { globalAlpha: at.opacity, imageSmoothingEnabled: false });
    const [right, down] = [(width * stride) / columns, (height * stride) / rows];
    context.drawImage(plane, first * right, first * down, plane.width * right, plane.height * down);
  },

  told: () => say(meanPlane() ? "overlaid" : "not_a_map"),
};

function meanPlane() {
  const { id, over } = shown.tensor ?? {};
  const array = over === at.scene.image && rec.array(`preview/${id}`);
  return array ? map(array, array.shape.slice(1)) : null;
}

const SIGNS = ["", "+", "=", "→"];
let crossed; // the place pointed at, 0–1 across and down

// Lateral, upsampled, their sum and what comes out, for each merge of the FPN.
export const merges = {
  extra: (data) => data.merges.map(({ name, group, planes }) => el("div.merge", el("h3", { style: inkOf(group) }, name),
    el("div.merge-row", planes.map((plane, k) => cell(name, plane, k))))),

  told({ merges: all, note }) {
    if (!crossed) return noted(say("merge_how"), note);
    return all.map(({ name, planes }) => {
      const values = planes.map((plane, k) => `${SIGNS[k]} ${num(valueAt(plane, ...crossed))}`);
      return `${name}: ${values.join(" ").trim()}`;
    }).join("\n");
  },
};

function cell(name, { values, text: texts }, k) {
  const [height, width] = values.shape;
  const text = local(texts);
  const canvas = mapped(values, width, height, `${name}: ${text}`);
  return el("figure", { onpointermove: (event) => cross(event, canvas) },
    el("div.map-cell", canvas, el("span.cross")), el("figcaption", el("b", SIGNS[k]), ` ${text}`));
}

function cross({ clientX, clientY }, canvas) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const [x, y] = [(clientX - left) / width, (clientY - top) / height];
  if (x < 0 || y < 0 || x >= 1 || y >= 1) return;
  crossed = [x, y];
  for (const { style } of at.extra.querySelectorAll(".cross")) Object.assign(style, { left: `${x * 100}%`, top: `${y * 100}%` });
  drawNow();
}

function valueAt({ values, range: [low, high] }, x, y) {
  const [height, width] = values.shape;
  const value = values[Math.floor(y * height) * width + Math.floor(x * width)];
  return Number((low + (value / 255) * (high - low)).toPrecision(2));
}

// Where RoIAlign samples the box at hand, and what comes out.
export const align = {
  begin: () => { at.box = 0; },

  controls: ({ group }) => slider("box", { max: group.length - 1, show: (i) => `#${i}` }),

  extra: () => el("div.align", ["align_map", "align_out"].map((key) => el("figure",
    el("canvas", { role: "img", label: say(key) }), el("figcaption", say(key))))),

  draw({ boxes, group, groups }, context) {
    strokeClearly(context, boxes, at.box, groups[group[at.box]][1]);
  },

  point({ boxes, group }, x, y, clicked) {
    const found = clicked ? boxAt(boxes, range(group.length), x, y) : -1;
    if (found >= 0) rebuild({ box: found });
  },

  drawExtra(data) {
    const [inside, out] = at.extra.querySelectorAll("canvas");
    paint(inside, (...args) => drawGrid(data, ...args));
    paint(out, (...args) => drawPooled(data, ...args));
  },

  told(data) {
    const { group, groups, planes, bins: [rows, columns] } = data;
    const [, , wide, high, across, down] = gridOf(data);
    const level = group[at.box];
    return noted(say("align_facts", { i: at.box, group: local(groups[level][0]), rows, columns, across: num(wide), down: num(high),
      n: across * down }), planes[level].note);
  },
};

// Corner, size of a bin and samples in it, each across and down.
const gridOf = ({ grids }) => grids.subarray(6 * at.box, 6 * at.box + 6);

// The level's cells around the box, the bins, the sampling points.
function drawGrid(data, context, width, height) {
  const { bins: [rows, columns], planes, group } = data;
  const { values, step } = planes[group[at.box]];
  const [x, y, wide, high, across, down] = gridOf(data);
  const scale = Math.min(width, height) / (Math.max(wide * columns, high * rows) * 1.3 + 1);
  context.translate(width / 2, height / 2);
  context.scale(scale, scale);
  context.translate(-(x + (wide * columns) / 2), -(y + (high * rows) / 2));
  Object.assign(context, { imageSmoothingEnabled: false, lineWidth: 1.2 / scale, strokeStyle: "#fff", fillStyle: "#ff5a4f" });
  // Values stand at whole coordinates: a cell reaches half its size to each side.
  context.drawImage(map(values), -step / 2, -step / 2, values.shape[1] * step, values.shape[0] * step);
  ruled(context, x, y, wide, high, data.bins);
  const dot = 2.4 / scale;
  for (const b of samples(y, high, rows, down)) {
    for (const a of samples(x, wide, columns, across)) context.fillRect(a - dot / 2, b - dot / 2, dot, dot);
  }
}

const map = (values, [height, width] = values.shape) => mapped(values.subarray(0, width * height), width, height);

// What comes out: one value per bin (of the channel mean).
function drawPooled({ bins, pooled }, context, width, height) {
  const [rows, columns] = bins;
  const values = pooled.subarray(at.box * rows * columns, (at.box + 1) * rows * columns);
  Object.assign(context, { imageSmoothingEnabled: false, strokeStyle: colour("paper") });
  context.drawImage(map(values, bins), 0, 0, width, height);
  ruled(context, 0, 0, width / columns, height / rows, bins);
}

function ruled(context, x, y, wide, high, [rows, columns]) {
  for (const i of range(rows)) for (const j of range(columns)) context.strokeRect(x + j * wide, y + i * high, wide, high);
}
