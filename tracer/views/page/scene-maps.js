// Maps: the tensor at hand over the picture, the merges of the FPN, RoIAlign's grid.
import { colour, mapped, paint } from "./canvas.js";
import { el } from "./dom.js";
import { boxAt, layGrid, pool } from "./geometry.js";
import { num } from "./text.js";

// --- the tensor at hand over the picture ---

export const overlay = {
  controls: (view) => [view.slider("opacity", "opacity", { max: 1, step: 0.05, show: (v) => `${Math.round(v * 100)} %` })],

  draw(view, context) {
    const found = meanPlane(view);
    if (!found) return;
    const { plane, cells: [rows, columns], stride } = found;
    const [height, width] = view.scene.padded;
    context.globalAlpha = view.state.opacity;
    context.imageSmoothingEnabled = false;
    context.drawImage(plane, 0, 0, (width * plane.width * stride) / columns, (height * plane.height * stride) / rows);
  },

  facts: (view) => view.page.say(meanPlane(view) ? "overlaid" : "not_a_map"),
};

/** The channel mean of the tensor at hand, where it is a map of this image. */
function meanPlane(view) {
  const { rec, tensor } = view.page;
  const { summary, preview } = rec.tensors[tensor] ?? {};
  const array = preview && rec.array(`preview/${tensor}`);
  const [images, channels, ...cells] = summary?.shape ?? [];
  const isMap = cells.length === 2 && images === view.images.length && channels > 4 && preview?.image === view.image;
  if (!array || !isMap || Math.min(...array.shape.slice(1)) < 2) return null;
  const [, height, width] = array.shape;
  return { plane: mapped(array.values.subarray(0, width * height), width, height), cells, stride: preview.stride };
}

/** Which maps are drawn in part only, for the page to say so. */
function thinned(view, named) {
  const parts = named.filter(([, { step }]) => step > 1);
  const steps = [...new Set(parts.map(([, { step }]) => step))];
  return steps.map((n) => view.page.say("map_thinned", {
    n, names: parts.filter(([, { step }]) => step === n).map(([name]) => name).join(", ") }));
}

// --- FPN merges ---

const SIGNS = ["", "+", "=", "→"];

export const merges = {
  noCanvas: true,

  extra: (view) => view.drawing.merges.map((merge) => el("div", { class: "merge" },
    el("h3", { text: merge.name, style: { "--ink": `var(--${merge.ink})` } }),
    el("div", { class: "merge-row" }, ...merge.planes.map((plane, k) => mergeCell(view, merge, plane, k))))),

  facts(view) {
    const { say } = view.page;
    if (!view.crossed) {
      const maps = view.drawing.merges.map(({ name, planes }) => [name, planes[0]]);
      return [say("merge_how"), ...thinned(view, maps)].join(" ");
    }
    return view.drawing.merges.map(({ name, planes }) => {
      const values = planes.map((plane, k) => `${SIGNS[k]} ${num(valueAt(view, plane, ...view.crossed))}`);
      return `${name}: ${values.join(" ").trim()}`;
    }).join("\n");
  },
};

function mergeCell(view, merge, plane, k) {
  const { shape: [height, width], values } = view.page.rec.array(plane.array);
  const text = view.page.say(`merge_${k}`, merge);
  const canvas = mapped(values, width, height, `${merge.name}: ${text}`);
  return el("figure", { onpointermove: (event) => cross(view, event, canvas) },
    el("div", { class: "map-cell" }, canvas, el("span", { class: "cross" })),
    el("figcaption", {}, el("b", { text: SIGNS[k] }), ` ${text}`));
}

/** Mark the same place of the picture in every map. */
function cross(view, event, canvas) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const [x, y] = [(event.clientX - left) / width, (event.clientY - top) / height];
  if (x < 0 || y < 0 || x >= 1 || y >= 1) return;
  view.crossed = [x, y];
  for (const { style } of view.extra.querySelectorAll(".cross")) {
    style.setProperty("left", `${x * 100}%`);
    style.setProperty("top", `${y * 100}%`);
  }
  view.draw();
}

function valueAt(view, { array, range: [low, high] }, x, y) {
  const { shape: [height, width], values } = view.page.rec.array(array);
  const value = values[Math.floor(y * height) * width + Math.floor(x * width)];
  return Number((low + (value / 255) * (high - low)).toPrecision(2));
}

// --- RoIAlign ---

function alignment(view) {
  const { drawing, state } = view;
  const group = view.values(drawing.group)[state.box];
  const plane = drawing.planes[group];
  const list = view.values(drawing.boxes);
  const grid = layGrid(list.subarray(4 * state.box, 4 * state.box + 4), drawing.scales[group], drawing.bins, drawing.ratio);
  return { group, list, grid, plane, map: view.page.rec.array(plane.array) };
}

export const align = {
  begin(view) {
    view.state.box = 0;
  },

  controls: (view) => [view.slider("box", "box", { max: view.values(view.drawing.group).length - 1, show: (i) => `#${i}` })],

  extra: (view) => [el("div", { class: "align" }, ...["align_map", "align_out"].map((key) => el("figure", {},
    el("canvas", { role: "img", "aria-label": view.page.say(key) }), el("figcaption", { text: view.page.say(key) }))))],

  draw(view, context) {
    const { list, group } = alignment(view);
    view.strokeClearly(context, list, view.state.box, view.groupColour(group));
  },

  point(view, x, y, clicked) {
    const list = view.values(view.drawing.boxes);
    const found = clicked ? boxAt(list, Array.from({ length: list.length / 4 }, (_, i) => i), x, y) : -1;
    if (found >= 0) view.state.box = found;
    if (clicked) view.rebuild();
  },

  drawExtra(view) {
    const found = alignment(view);
    const [inside, out] = view.extra.querySelectorAll("canvas");
    paint(inside, (...args) => drawGrid(found, ...args));
    paint(out, (...args) => drawPooled(found, ...args));
  },

  facts(view) {
    const { grid, group, plane } = alignment(view);
    const told = view.page.say("align_facts", {
      i: view.state.box, group: view.groupName(group), rows: grid.rows, columns: grid.columns,
      across: num(grid.size[0]), down: num(grid.size[1]), n: grid.perBin,
    });
    return [told, ...thinned(view, [[view.groupName(group), plane]])].join(" ");
  },
};

/** The cells of the level around the box, the bins over them, and the sampling points. */
function drawGrid({ grid, map, plane: { step } }, context, width, height) {
  const [rows, columns] = map.shape;
  const [across, down] = [grid.size[0] * grid.columns, grid.size[1] * grid.rows];
  const scale = Math.min(width, height) / (Math.max(across, down) * 1.3 + 1);
  context.translate(width / 2, height / 2);
  context.scale(scale, scale);
  context.translate(-(grid.x1 + across / 2), -(grid.y1 + down / 2));
  context.imageSmoothingEnabled = false;
  // Values stand at whole coordinates: a cell reaches half its size to each side.
  context.drawImage(mapped(map.values, columns, rows), -step / 2, -step / 2, columns * step, rows * step);
  context.lineWidth = 1.2 / scale;
  context.strokeStyle = "#fff";
  ruled(context, grid.x1, grid.y1, across, down, grid);
  context.fillStyle = "#ff5a4f";
  for (const [x, y] of grid.points) context.fillRect(x - 1.2 / scale, y - 1.2 / scale, 2.4 / scale, 2.4 / scale);
}

/** What comes out: one value per bin (of the channel mean). */
function drawPooled({ grid, map, plane: { step } }, context, width, height) {
  const [rows, columns] = map.shape;
  const points = grid.points.map(([x, y]) => [x / step, y / step]); // in cells of the map as drawn
  const values = Uint8ClampedArray.from(pool({ ...grid, points }, map.values, columns, rows));
  context.imageSmoothingEnabled = false;
  context.drawImage(mapped(values, grid.columns, grid.rows), 0, 0, width, height);
  context.strokeStyle = colour("panel");
  ruled(context, 0, 0, width, height, grid);
}

/** The lines between and around bins. */
function ruled(context, x, y, across, down, { rows, columns }) {
  context.beginPath();
  for (let j = 0; j <= columns; j++) {
    context.moveTo(x + (j * across) / columns, y);
    context.lineTo(x + (j * across) / columns, y + down);
  }
  for (let i = 0; i <= rows; i++) {
    context.moveTo(x, y + (i * down) / rows);
    context.lineTo(x + across, y + (i * down) / rows);
  }
  context.stroke();
}
