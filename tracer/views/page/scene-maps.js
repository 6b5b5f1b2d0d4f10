// Maps: the tensor at hand over the picture, the merges of the FPN, RoIAlign's grid.
import { colour, el, mapped, paint } from "./dom.js";
import { at, inkOf, noted, rebuild, slider, strokeClearly } from "./drawing.js";
import { boxAt, cellAt, range, samples } from "./geometry.js";
import { num } from "./numbers.js";
import { drawNow, local, rec, say, shown } from "./page.js";
import { dots, overlaid, ruled } from "./paint.js";

export const overlay = {
  controls: () => slider("opacity", { max: 1, step: 0.05, show: (v) => `${Math.round(v * 100)} %` }),

  draw({ first }, context) {
    const plane = meanPlane();
    if (!plane) return;
    const { summary: { shape: [, , rows, columns] }, preview: { stride } } = shown.tensor;
    const [height, width] = at.scene.padded;
    context.globalAlpha = at.opacity;
    overlaid(context, plane, [(height * stride) / rows, (width * stride) / columns], first);
  },

  told: () => say(meanPlane() ? "overlaid" : "not_a_map"),
};

function meanPlane() {
  const { id, over } = shown.tensor ?? {};
  const array = over === at.scene.image && rec.array(`preview/${id}`);
  return array ? map(array, array.shape.slice(1)) : null;
}

const SIGNS = ["", "+", "=", "→"];
let crossed; // the pixel pointed at, across and down

// Lateral, upsampled, their sum and what comes out, for each merge of the FPN.
export const merges = {
  extra: (data) => data.merges.map(({ name, group, planes }) => el("div.merge", el("h3", { style: inkOf(group) }, name),
    el("div.merge-row", planes.map((plane) => cell(name, plane, data.first))))),

  told({ merges: all, first, note }) {
    if (!crossed) return noted(say("merge_how"), note);
    return all.map(({ name, planes }) => {
      const values = planes.map((plane) => `${SIGNS[plane.place]} ${num(valueAt(plane, first, ...crossed))}`);
      return `${name}: ${values.join(" ").trim()}`;
    }).join("\n");
  },
};

function cell(name, { values, stride, place, text: texts }, first) {
  const [height, width] = values.shape;
  const text = local(texts);
  const canvas = mapped(values, width, height, `${name}: ${text}`);
  const mark = el("span.cross");
  mark.put = (x, y) => Object.assign(mark.style, { left: `${(100 * (x / stride[1] - first)) / width}%`, top: `${(100 * (y / stride[0] - first)) / height}%` });
  return el("figure", { onpointermove: (event) => cross(event, canvas, stride, first) },
    el("div.map-cell", canvas, mark), el("figcaption", el("b", SIGNS[place]), ` ${text}`));
}

function cross({ clientX, clientY }, canvas, [down, right], first) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const [x, y] = [(clientX - left) / width, (clientY - top) / height];
  if (x < 0 || y < 0 || x >= 1 || y >= 1) return;
  crossed = [(x * canvas.width + first) * right, (y * canvas.height + first) * down];
  for (const mark of at.extra.querySelectorAll(".cross")) mark.put(...crossed);
  drawNow();
}

function valueAt({ values, stride: [down, right], range: [low, high] }, first, x, y) {
  const [height, width] = values.shape;
  const value = values[cellAt(y, down, first, height) * width + cellAt(x, right, first, width)];
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
  const { bins: [rows, columns], planes, group, first } = data;
  const { values, stride } = planes[group[at.box]];
  const [x, y, wide, high, across, down] = gridOf(data);
  const scale = Math.min(width, height) / (Math.max(wide * columns, high * rows) * 1.3 + 1);
  context.translate(width / 2, height / 2);
  context.scale(scale, scale);
  context.translate(-(x + (wide * columns) / 2), -(y + (high * rows) / 2));
  overlaid(context, map(values), stride, first);
  ruled(context, [x, y, wide * columns, high * rows], data.bins, "#fff", 1.2 / scale);
  dots(context, samples(y, high, rows, down).flatMap((b) => samples(x, wide, columns, across).flatMap((a) => [a, b])), "#ff5a4f", 2.4 / scale);
}

const map = (values, [height, width] = values.shape) => mapped(values.subarray(0, width * height), width, height);

// What comes out: one value per bin (of the channel mean).
function drawPooled({ bins, pooled }, context, width, height) {
  const [rows, columns] = bins;
  const values = pooled.subarray(at.box * rows * columns, (at.box + 1) * rows * columns);
  overlaid(context, map(values, bins), [height / rows, width / columns], 0);
  ruled(context, [0, 0, width, height], bins, colour("paper"), 1);
}
