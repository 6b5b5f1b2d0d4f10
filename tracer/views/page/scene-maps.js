// Maps: the tensor at hand over the picture, the merges of the FPN, RoIAlign's grid.
import { colour, el, paint } from "./dom.js";
import { boxAt, layGrid, pool } from "./geometry.js";
import { mapped } from "./tensor.js";
import { num } from "./text.js";

// --- the tensor at hand over the picture ---

export const overlayKind = {
  key: "overlay",
  follows: true,
  has: (image) => Boolean(image.picture),
  controls: (view) => {
    view.state.opacity ??= 0.6;
    return [view.slider("opacity", "opacity", { max: 1, step: 0.05, show: (v) => `${Math.round(v * 100)} %` })];
  },

  draw(view, context) {
    const plane = meanPlane(view);
    if (!plane) return;
    const { shape } = view.page.rec.tensors[view.page.tensor].summary;
    const [height, width] = view.scene.padded;
    const [rows, columns] = shape.slice(-2);
    context.globalAlpha = view.state.opacity;
    context.imageSmoothingEnabled = false;
    const stride = view.page.rec.tensors[view.page.tensor].preview.stride;
    context.drawImage(plane, 0, 0, (width * plane.width * stride) / columns, (height * plane.height * stride) / rows);
    context.globalAlpha = 1;
  },

  facts: (view) => view.page.say(meanPlane(view) ? "overlaid" : "not_a_map"),
};

/** The channel mean of the tensor at hand, where it is a map of this image. */
function meanPlane(view) {
  const { rec, tensor } = view.page;
  const state = tensor == null ? null : rec.tensors[tensor];
  const array = state?.preview ? rec.array(`preview/${tensor}`) : null;
  const { shape } = state?.summary ?? {};
  const batch = shape?.length === 4 && shape[0] === view.data.images.length && shape[1] > 4;
  if (!array || !batch || state.preview.image !== view.image || Math.min(...array.shape.slice(1)) < 2) return null;
  const [, height, width] = array.shape;
  return mapped(array.values.subarray(0, width * height), width, height);
}

// --- FPN merges ---

const SIGNS = ["", "+", "=", "→"];

export const mergesKind = {
  key: "merges",
  noCanvas: true,
  has: (image) => Boolean(image.merges?.length),

  extra(view) {
    const rows = view.scene.merges.map((merge) => {
      const cells = merge.planes.map((plane, k) => {
        const { shape: [height, width], values } = view.array(plane.array);
        const canvas = mapped(values, width, height);
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", `${merge.name}: ${view.page.say(`merge_${k}`, merge)}`);
        const target = el("span", { class: "cross" });
        return el("figure", { onpointermove: (event) => crossed(view, event, canvas) },
          el("div", { class: "map-cell" }, canvas, target),
          el("figcaption", {}, el("b", { text: SIGNS[k] }), ` ${view.page.say(`merge_${k}`, merge)}`));
      });
      return el("div", { class: "merge" }, el("h3", { text: merge.name, style: { "--level": levelInk(view, merge.name) } }), el("div", { class: "merge-row" }, ...cells));
    });
    return [el("p", { class: "scene-facts", text: view.page.say("merge_how") }), ...rows];
  },

  facts(view) {
    const { point } = view.state;
    if (!view.crossed || !point) return "";
    return view.scene.merges.map((merge) => `${merge.name}: ${merge.planes.map((plane, k) => `${SIGNS[k]} ${num(valueAt(view, plane, ...view.crossed))}`).join(" ").trim()}`).join("   ");
  },
};

function levelInk(view, name) {
  const index = view.data.levels.findIndex((level) => level.name === name);
  return `var(--level-${view.levelNumber(index)})`;
}

/** Mark the same place of the picture in every map. */
function crossed(view, event, canvas) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const [x, y] = [(event.clientX - left) / width, (event.clientY - top) / height];
  if (x < 0 || y < 0 || x >= 1 || y >= 1) return;
  view.crossed = [x, y];
  view.state.point = [x, y];
  for (const target of view.extra.querySelectorAll(".cross")) {
    target.style.setProperty("left", `${x * 100}%`);
    target.style.setProperty("top", `${y * 100}%`);
  }
  view.draw();
}

function valueAt(view, plane, x, y) {
  const { shape: [height, width], values } = view.array(plane.array);
  const [low, high] = plane.range;
  const value = values[Math.floor(y * height) * width + Math.floor(x * width)];
  return Number((low + (value / 255) * (high - low)).toPrecision(2));
}

// --- RoIAlign ---

const chosen = (view) => {
  const { boxes } = view.scene.rois;
  const many = view.values(boxes).length / 4;
  return many ? Math.max(0, Math.min(view.state.box, many - 1)) : -1;
};

function alignment(view) {
  const i = chosen(view);
  if (i < 0) return null;
  const { pooling } = view.data;
  const at = view.values(view.scene.rois.level)[i];
  const plane = view.scene.maps[pooling.levels[at]];
  const box = view.values(view.scene.rois.boxes).subarray(4 * i, 4 * i + 4);
  const map = view.array(plane.array);
  // The map may be thinned: coordinates and the grid are in its own cells.
  const grid = layGrid(box, pooling.scales[at], pooling.bins, pooling.ratio);
  return { i, level: pooling.levels[at], grid, map, thin: plane.step };
}

export const alignKind = {
  key: "align",
  has: (image, data) => Boolean(image.rois && image.maps && data.pooling),
  controls: (view) => [view.slider("box", "box", { max: view.values(view.scene.rois.level).length - 1, value: chosen(view), show: (i) => `#${i}` })],

  extra: (view) => [el("div", { class: "align" },
    el("figure", {}, el("canvas", { class: "align-map", role: "img", "aria-label": view.page.say("align_map") }), el("figcaption", { text: view.page.say("align_map") })),
    el("figure", {}, el("canvas", { class: "align-out", role: "img", "aria-label": view.page.say("align_out") }), el("figcaption", { text: view.page.say("align_out") })))],

  draw(view, context) {
    const found = alignment(view);
    if (!found) return;
    const boxes = view.values(view.scene.rois.boxes);
    view.strokeBoxes(context, boxes, [found.i], () => ({ paint: "#000", width: 5 }));
    view.strokeBoxes(context, boxes, [found.i], () => ({ paint: view.levelColour(found.level), width: 2.5 }));
  },

  point(view, x, y, clicked) {
    const boxes = view.values(view.scene.rois.boxes);
    if (!clicked) return;
    view.state.box = boxAt(boxes, Array.from({ length: boxes.length / 4 }, (_, i) => i), x, y);
    view.build();
  },

  drawExtra(view) {
    const found = alignment(view);
    if (!found) return;
    const [inside, out] = view.extra.querySelectorAll("canvas");
    paint(inside, (context, width, height) => drawGrid(context, width, height, found));
    paint(out, (context, width, height) => drawPooled(context, width, height, found));
  },

  facts(view) {
    const found = alignment(view);
    if (!found) return view.page.say("boxes_shown", { n: 0 });
    const { grid, level, i } = found;
    return view.page.say("align_facts", {
      i, level: view.levelName(level), rows: grid.rows, columns: grid.columns,
      across: num(grid.size[0]), down: num(grid.size[1]), n: grid.perBin,
    });
  },
};

/** The cells of the level around the box, the bins over them, and the sampling points. */
function drawGrid(context, width, height, { grid, map, thin }) {
  const [rows, columns] = map.shape;
  const whole = mapped(map.values, columns, rows);
  const span = Math.max(grid.size[0] * grid.columns, grid.size[1] * grid.rows) * 1.3 + 1;
  const scale = Math.min(width, height) / span;
  context.translate(width / 2, height / 2);
  context.scale(scale, scale);
  context.translate(-(grid.x1 + (grid.size[0] * grid.columns) / 2), -(grid.y1 + (grid.size[1] * grid.rows) / 2));
  context.imageSmoothingEnabled = false;
  context.drawImage(whole, -thin / 2, -thin / 2, columns * thin, rows * thin); // values stand at whole coordinates
  context.lineWidth = 1.2 / scale;
  context.strokeStyle = "#fff";
  for (let j = 0; j <= grid.columns; j++) line(context, grid.x1 + j * grid.size[0], grid.y1, 0, grid.size[1] * grid.rows);
  for (let i = 0; i <= grid.rows; i++) line(context, grid.x1, grid.y1 + i * grid.size[1], grid.size[0] * grid.columns, 0);
  context.fillStyle = "#ff5a4f";
  for (const [x, y] of grid.points) context.fillRect(x - 1.2 / scale, y - 1.2 / scale, 2.4 / scale, 2.4 / scale);
}

function line(context, x, y, across, along) {
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + across, y + along);
  context.stroke();
}

/** What comes out: one value per bin (of the channel mean). */
function drawPooled(context, width, height, { grid, map, thin }) {
  const [rows, columns] = map.shape;
  const own = { ...grid, points: grid.points.map(([x, y]) => [x / thin, y / thin]) };
  const values = Uint8ClampedArray.from(pool(own, map.values, columns, rows));
  context.imageSmoothingEnabled = false;
  context.drawImage(mapped(values, grid.columns, grid.rows), 0, 0, width, height);
  context.strokeStyle = colour("panel");
  for (let j = 1; j < grid.columns; j++) line(context, (j * width) / grid.columns, 0, 0, height);
  for (let i = 1; i < grid.rows; i++) line(context, 0, (i * height) / grid.rows, width, 0);
}
