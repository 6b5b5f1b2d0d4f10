// Maps: the tensor at hand over the picture, the merges of the FPN, RoIAlign's grid.
import { colour, mapped, paint } from "./canvas.js";
import { el } from "./dom.js";
import { boxOf, Drawing, inkOf, range } from "./drawing.js";
import { boxAt, layGrid, pool } from "./geometry.js";
import { num } from "./text.js";

/** The tensor at hand over the picture. */
export class Overlay extends Drawing {
  controls() {
    return [this.slider("opacity", { max: 1, step: 0.05, show: (v) => `${Math.round(v * 100)} %` })];
  }

  draw(context) {
    const found = this.meanPlane();
    if (!found) return;
    const { plane, cells: [rows, columns], stride } = found;
    const [height, width] = this.scene.padded;
    Object.assign(context, { globalAlpha: this.state.opacity, imageSmoothingEnabled: false });
    context.drawImage(plane, 0, 0, (width * plane.width * stride) / columns, (height * plane.height * stride) / rows);
  }

  told() {
    return this.say(this.meanPlane() ? "overlaid" : "not_a_map");
  }

  /** The channel mean of the tensor at hand, where it is a map of this image. */
  meanPlane() {
    const { rec, view, page: { tensor } } = this;
    const { summary, preview } = rec.tensors[tensor] ?? {};
    const array = preview && rec.array(`preview/${tensor}`);
    const [images, channels, ...cells] = summary?.shape ?? [];
    const isMap = cells.length === 2 && images === view.images.length && channels > 4 && preview?.image === view.image;
    const [, height, width] = array?.shape ?? [];
    if (!isMap || !(Math.min(height, width) > 1)) return null;
    return { plane: mapped(array.subarray(0, width * height), width, height), cells, stride: preview.stride };
  }
}

const SIGNS = ["", "+", "=", "→"];

/** Lateral, upsampled, their sum and what comes out, for each merge of the FPN. */
export class Merges extends Drawing {
  noCanvas = true;

  extra() {
    return this.merges.map(({ name, ink, planes }) => el("div.merge", el("h3", { style: inkOf(ink) }, name),
      el("div.merge-row", planes.map((plane, k) => this.cell(name, plane, k)))));
  }

  cell(name, { values, text: texts }, k) {
    const text = this.page.local(texts);
    const [height, width] = values.shape;
    const canvas = mapped(values, width, height, `${name}: ${text}`);
    return el("figure", { onpointermove: (event) => this.cross(event, canvas) },
      el("div.map-cell", canvas, el("span.cross")), el("figcaption", el("b", SIGNS[k]), ` ${text}`));
  }

  /** Mark the same place of the picture in every map. */
  cross({ clientX, clientY }, canvas) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const [x, y] = [(clientX - left) / width, (clientY - top) / height];
    if (x < 0 || y < 0 || x >= 1 || y >= 1) return;
    this.crossed = [x, y];
    const place = { left: `${x * 100}%`, top: `${y * 100}%` };
    for (const { style } of this.view.extra.querySelectorAll(".cross")) Object.assign(style, place);
    this.view.draw();
  }

  told() {
    if (!this.crossed) return this.noted(this.say("merge_how"));
    return this.merges.map(({ name, planes }) => {
      const values = planes.map((plane, k) => `${SIGNS[k]} ${num(valueAt(plane, ...this.crossed))}`);
      return `${name}: ${values.join(" ").trim()}`;
    }).join("\n");
  }
}

function valueAt({ values, range: [low, high] }, x, y) {
  const [height, width] = values.shape;
  const value = values[Math.floor(y * height) * width + Math.floor(x * width)];
  return Number((low + (value / 255) * (high - low)).toPrecision(2));
}

/** Where RoIAlign samples the box at hand on its level, and what comes out. */
export class Align extends Drawing {
  constructor(view, data) {
    super(view, data);
    this.state.box = 0;
  }

  /** The level of the box at hand, its plane {values, step} and the grid laid on it. */
  laid() {
    const { state: { box } } = this;
    const level = this.group[box];
    const grid = layGrid(boxOf(this.boxes, box), this.scales[level], this.bins, this.ratio);
    return { level, grid, ...this.planes[level] };
  }

  controls() {
    return [this.slider("box", { max: this.group.length - 1, show: (i) => `#${i}` })];
  }

  extra() {
    return el("div.align", ["align_map", "align_out"].map((key) => el("figure",
      el("canvas", { role: "img", label: this.say(key) }), el("figcaption", this.say(key)))));
  }

  draw(context) {
    this.strokeClearly(context, this.boxes, this.state.box, this.groupColour(this.laid().level));
  }

  point(x, y, clicked) {
    if (!clicked) return;
    const found = boxAt(this.boxes, range(this.group.length), x, y);
    this.view.rebuild(found < 0 ? {} : { box: found });
  }

  drawExtra() {
    const [inside, out] = this.view.extra.querySelectorAll("canvas");
    paint(inside, (...args) => drawGrid(this.laid(), ...args));
    paint(out, (...args) => drawPooled(this.laid(), ...args));
  }

  told() {
    const { grid: { rows, columns, size, perBin }, level, note } = this.laid();
    return this.noted(this.say("align_facts", {
      i: this.state.box, group: this.groupName(level), rows, columns, across: num(size[0]), down: num(size[1]), n: perBin,
    }), note);
  }
}

/** The cells of the level around the box, the bins over them, and the sampling points. */
function drawGrid({ grid, values, step }, context, width, height) {
  const [rows, columns] = values.shape;
  const [across, down] = [grid.size[0] * grid.columns, grid.size[1] * grid.rows];
  const scale = Math.min(width, height) / (Math.max(across, down) * 1.3 + 1);
  context.translate(width / 2, height / 2);
  context.scale(scale, scale);
  context.translate(-(grid.x1 + across / 2), -(grid.y1 + down / 2));
  Object.assign(context, { imageSmoothingEnabled: false, lineWidth: 1.2 / scale, strokeStyle: "#fff", fillStyle: "#ff5a4f" });
  // Values stand at whole coordinates: a cell reaches half its size to each side.
  context.drawImage(mapped(values, columns, rows), -step / 2, -step / 2, columns * step, rows * step);
  ruled(context, grid.x1, grid.y1, across, down, grid);
  for (const [x, y] of grid.points) context.fillRect(x - 1.2 / scale, y - 1.2 / scale, 2.4 / scale, 2.4 / scale);
}

/** What comes out: one value per bin (of the channel mean). */
function drawPooled({ grid, values, step }, context, width, height) {
  const [rows, columns] = values.shape;
  const points = grid.points.map(([x, y]) => [x / step, y / step]); // in cells of the map as drawn
  const pooled = Uint8ClampedArray.from(pool({ ...grid, points }, values, columns, rows));
  Object.assign(context, { imageSmoothingEnabled: false, strokeStyle: colour("panel") });
  context.drawImage(mapped(pooled, grid.columns, grid.rows), 0, 0, width, height);
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
