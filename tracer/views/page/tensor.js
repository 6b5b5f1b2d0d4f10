// Right, below: the tensor at hand: axes, range, histogram, previews, where from and where to.
import { colour, el, paint, visible } from "./dom.js";
import { big, callName, count, dims, num } from "./text.js";

const MOST_ROWS = 20;

export class TensorView {
  constructor(page) {
    this.page = page;
    this.pin = el("input", { type: "checkbox", onchange: () => { page.automatic = !this.pin.checked; } });
    this.body = el("div", { class: "body" });
    this.element = el("section", { class: "panel tensor", "aria-label": page.say("tensor") },
      el("label", { class: "check pin", title: page.say("pin_hint") }, this.pin, page.say("pin")), this.body);
  }

  update() {
    const { page } = this;
    this.pin.checked = !page.automatic;
    if (this.shown === page.tensor && this.body.firstChild) return;
    this.shown = page.tensor;
    const state = page.tensor == null ? null : page.rec.tensors[page.tensor];
    if (!state) {
      this.body.replaceChildren(el("p", { class: "empty", text: page.say("no_tensor") }));
      return;
    }
    const parts = [this.heading(state), this.numbers(state), this.planes(state), this.kept(state), this.links(state)];
    this.body.replaceChildren(...parts.flat().filter(Boolean));
    for (const [canvas, draw] of this.canvases ?? []) paint(canvas, draw);
    this.canvases = [];
  }

  heading({ summary, name }) {
    const axes = axisNames(summary.shape, this.page);
    const sizes = summary.shape.map((size, i) => el("li", {},
      el("b", { text: count(size) }), axes[i] ? el("span", { text: axes[i] }) : null));
    const numel = summary.shape.reduce((a, b) => a * b, 1);
    const device = summary.device === "cpu" ? "" : ` · ${visible(summary.device)}`;
    return [
      el("ol", { class: "axes", "aria-label": dims(summary.shape) }, ...sizes),
      el("p", { class: "dtype", text: `${visible(summary.dtype)} · ${big(numel)}${device}` }),
      name ? el("p", { class: "dtype", text: visible(name) }) : null,
    ];
  }

  numbers({ summary }) {
    const { page } = this;
    if (summary.min == null) return el("p", { class: "empty", text: page.say("no_numbers") });
    const facts = [["range", `${num(summary.min)} … ${num(summary.max)}`],
      ["mean", num(summary.mean)], ["std", num(summary.std)],
      ["zeros", summary.zeros == null ? null : `${num(Math.round(summary.zeros * 1000) / 10)} %`]];
    const items = facts.filter(([, text]) => text !== null)
      .map(([key, text]) => el("div", {}, el("dt", { text: page.say(key) }), el("dd", { text })));
    for (const key of ["nan", "inf"]) {
      if (summary[key]) {
        items.push(el("div", { class: "bad" }, el("dt", { text: key === "nan" ? "NaN" : "Inf" }),
          el("dd", { text: count(summary[key]) })));
      }
    }
    return [this.histogram(summary), el("dl", { class: "numbers" }, ...items)];
  }

  histogram({ histogram, min, max, mean }) {
    if (!histogram.length) return null;
    const label = this.page.say("histogram", { low: num(min), high: num(max) });
    const canvas = el("canvas", { class: "histogram", role: "img", "aria-label": label, title: label });
    this.later(canvas, (context, width, height) => {
      const most = Math.max(...histogram);
      const step = width / histogram.length;
      context.fillStyle = colour("accent-soft");
      histogram.forEach((n, i) => {
        const tall = n ? Math.max(1, (height - 2) * Math.sqrt(n / most)) : 0;
        context.fillRect(i * step, height - tall, Math.max(step - 1, 1), tall);
      });
      context.fillStyle = colour("quiet");
      if (min < 0 && max > 0) context.fillRect((width * -min) / (max - min), 0, 1, height);
      context.fillStyle = colour("accent");
      if (max > min) context.fillRect((width * (mean - min)) / (max - min) - 1, 0, 2, height);
    });
    return canvas;
  }

  later(canvas, draw) {
    (this.canvases ??= []).push([canvas, draw]);
  }

  // --- pictures ---

  planes(state) {
    const { page } = this;
    const array = page.rec.array(`preview/${state.id}`);
    if (!array || !state.preview) return null;
    const [planes, height, width] = array.shape;
    const figures = [];
    for (let k = 0; k < planes; k++) {
      const channel = state.preview.channels[k];
      const name = channel < 0 ? page.say("channel_mean") : page.say("channel", { n: channel });
      const [low, high] = state.preview.ranges[k].map(num);
      const values = array.values.subarray(k * width * height, (k + 1) * width * height);
      const canvas = mapped(values, width, height);
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${name}, ${low} … ${high}`);
      figures.push(el("figure", { class: k ? "plane" : "plane first", title: page.say("plane_of", { name, low, high }) },
        canvas, el("figcaption", { text: k ? name : `${name}  ${low} … ${high}` })));
    }
    return el("div", { class: "planes" }, ...figures);
  }

  // --- values ---

  kept(state) {
    const array = this.page.rec.array(`data/${state.id}`);
    if (!array || array.shape.length > 2 || !array.values.length) return null;
    const [rows, columns] = [array.shape[0] ?? 1, array.shape[1] ?? 1];
    const shown = Math.min(rows, MOST_ROWS);
    const cells = Math.min(columns, 8);
    const body = [];
    for (let i = 0; i < shown; i++) {
      const row = [el("th", { scope: "row", text: i })];
      for (let j = 0; j < cells; j++) row.push(el("td", { text: num(array.values[i * columns + j]) }));
      body.push(el("tr", {}, ...row));
    }
    const note = this.page.say("rows_shown", { n: shown, all: count(rows) });
    return el("details", { class: "kept" }, el("summary", { text: `${this.page.say("values_kept")} · ${note}` }),
      el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": note }, el("table", {}, ...body)));
  }

  // --- where from, where to ---

  links(state) {
    const { page } = this;
    const { calls, tensors } = page.rec;
    const rows = [];
    const add = (key, ...targets) => rows.push(el("div", {}, el("dt", { text: page.say(key) }), el("dd", {}, ...targets)));
    if (state.name) rows.push(el("div", {}, el("dd", { text: page.say("of_model") })));
    else if (state.producer == null) add("made_by", page.say("from_outside"));
    else add(state.previous == null ? "made_by" : "written_by", this.toCall(calls[state.producer], "end"));
    const users = page.uses(state.id);
    if (users.length) {
      const more = users.length > 6 ? [` ${page.say("more", { n: users.length - 6 })}`] : [];
      add("used_by", ...users.slice(0, 6).map((call) => this.toCall(call, "start")), ...more);
    }
    if (state.overwritten_by != null) add("overwritten_by", this.toCall(calls[state.overwritten_by], "end"));
    if (state.previous != null) add("earlier", this.toState(state.previous));
    const after = tensors.find((t) => t.previous === state.id);
    if (after) add("later", this.toState(after.id));
    if (state.base != null) add("view_of", this.toState(state.base));
    return el("dl", { class: "links" }, ...rows);
  }

  toCall(call, end) {
    const label = call.nth ? `${callName(call)}#${call.nth}` : callName(call);
    return el("button", { type: "button", class: "link", text: label, onclick: () => this.page.go(call[end]) });
  }

  toState(id) {
    const { shape } = this.page.rec.tensors[id].summary;
    return el("button", { type: "button", class: "link", text: dims(shape), onclick: () => this.page.pick(id) });
  }
}

/** What the axes of a shape mean, as far as the shape tells; "" where it does not. */
function axisNames(shape, page) {
  const names = (...keys) => keys.map((key) => page.say(key));
  const n = shape.length;
  if (n === 4) return names("axis_batch", "axis_channels", "axis_height", "axis_width");
  if (n === 3 && shape[0] <= 4) return names("axis_channels", "axis_height", "axis_width");
  if (n === 2 && shape[1] === 4) return names("axis_boxes", "axis_coords");
  if (n === 2) return names("axis_rows", "axis_columns");
  return shape.map(() => "");
}

// Dark to light in even steps of lightness: blue, teal, green, yellow.
const STOPS = [[13, 16, 46], [38, 40, 105], [40, 82, 140], [34, 125, 142], [52, 165, 122], [133, 200, 79], [240, 226, 92]];
const RAMP = Uint8ClampedArray.from({ length: 256 * 4 }, (_, i) => {
  if (i % 4 === 3) return 255;
  const at = ((i >> 2) / 255) * (STOPS.length - 1);
  const k = Math.min(Math.floor(at), STOPS.length - 2);
  return STOPS[k][i % 4] + (STOPS[k + 1][i % 4] - STOPS[k][i % 4]) * (at - k);
});

/** A canvas with 8-bit values in colours, a pixel each. */
export function mapped(values, width, height) {
  const canvas = el("canvas", { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < values.length; i++) image.data.set(RAMP.subarray(values[i] * 4, values[i] * 4 + 4), i * 4);
  context.putImageData(image, 0, 0);
  return canvas;
}
