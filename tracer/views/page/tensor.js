// Right, below: the tensor at hand: axes, range, histogram, previews, where from and where to.
import { colour, mapped, paint } from "./canvas.js";
import { el, terms, visible } from "./dom.js";
import { product, tensorsOf } from "./record.js";
import { big, callName, count, dims, num, shapeOf } from "./text.js";

const MOST_ROWS = 20;
const MOST_COLUMNS = 8;
const MOST_USES = 6;

export class TensorView {
  constructor(page) {
    this.page = page;
    this.pin = el("input", { type: "checkbox", onchange: () => { page.automatic = !this.pin.checked; } });
    this.body = el("div", { class: "body" });
    this.element = page.panel("tensor", "tensor",
      el("label", { class: "check pin", title: page.say("pin_hint") }, this.pin, page.say("pin")), this.body);
  }

  update() {
    this.pin.checked = !this.page.automatic;
  }

  /** Build what is shown of the tensor at hand, with its pictures. */
  draw() {
    const { page } = this;
    if (this.shown === page.tensor && this.body.firstChild) return;
    this.shown = page.tensor;
    const state = page.rec.tensors[page.tensor];
    const parts = state
      ? [this.heading(state), this.numbers(state), this.planes(state), this.kept(state), this.links(state)]
      : [page.nothing("no_tensor")];
    this.body.replaceChildren(...parts.flat().filter(Boolean));
    const canvas = this.body.querySelector(".histogram");
    if (canvas) paint(canvas, (...args) => drawHistogram(state.summary, ...args));
  }

  heading({ summary: { shape, dtype, device }, name }) {
    const axes = axisNames(shape);
    const sizes = shape.map((size, i) => el("li", {}, el("b", { text: count(size) }),
      axes[i] ? el("span", { text: this.page.say(`axis_${axes[i]}`) }) : null));
    const facts = [dtype, big(product(shape)), device === "cpu" ? "" : device].filter(Boolean).join(" · ");
    return [el("ol", { class: "axes", "aria-label": dims(shape) }, ...sizes),
      ...[facts, name].filter(Boolean).map((text) => el("p", { class: "quiet", text: visible(text) }))];
  }

  numbers({ summary: { histogram, min, max, mean, std, zeros, nan, inf } }) {
    const { page } = this;
    if (min == null) return page.nothing("no_numbers");
    const facts = [["range", `${num(min)} … ${num(max)}`], ["mean", num(mean)], ["std", num(std)],
      ["zeros", zeros == null ? null : `${num(Math.round(zeros * 1000) / 10)} %`]];
    const rows = facts.filter(([, text]) => text).map(([key, text]) => [page.say(key), text]);
    const bad = [["NaN", nan], ["Inf", inf]].filter(([, n]) => n).map(([name, n]) => [name, count(n)]);
    const label = page.say("histogram", { low: num(min), high: num(max) });
    return [histogram.length ? el("canvas", { class: "histogram", role: "img", "aria-label": label, title: label }) : null,
      terms("numbers", rows), bad.length ? terms("numbers bad", bad) : null];
  }

  planes({ id, preview }) {
    const { page } = this;
    const array = preview && page.rec.array(`preview/${id}`);
    if (!array) return null;
    const [planes, height, width] = array.shape;
    const thinned = preview.stride > 1 ? ` · ${page.say("stride", { n: preview.stride })}` : "";
    const figures = Array.from({ length: planes }, (_, k) => {
      const channel = preview.channels[k];
      const name = page.say(channel < 0 ? "channel_mean" : "channel", { n: channel });
      const range = preview.ranges[k].map(num).join(" … ");
      const values = array.values.subarray(k * width * height, (k + 1) * width * height);
      return el("figure", { class: k ? "plane" : "plane first", title: `${name}, ${range}` },
        mapped(values, width, height, `${name}, ${range}`),
        el("figcaption", { text: k ? name : `${name}, ${range}${thinned}` }));
    });
    return el("div", { class: "planes" }, ...figures);
  }

  /** The values themselves, as far as the page has them. */
  kept({ id }) {
    const array = this.page.rec.array(`data/${id}`);
    if (!array || array.shape.length > 2 || !array.values.length) return null;
    const [rows = 1, columns = 1] = array.shape;
    const cell = (i, j) => el("td", { text: num(array.values[i * columns + j]) });
    const numbers = (n) => [...Array(n).keys()];
    const shown = numbers(Math.min(rows, MOST_ROWS)).map((i) => el("tr", {}, el("th", { scope: "row", text: i }),
      ...numbers(Math.min(columns, MOST_COLUMNS)).map((j) => cell(i, j))));
    const note = this.page.say("rows_shown", { n: shown.length, all: count(rows) });
    return el("details", {}, el("summary", { text: `${this.page.say("values_kept")} · ${note}` }),
      el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": note }, el("table", {}, ...shown)));
  }

  /** Where it comes from, and where it goes. */
  links({ id, name, producer, previous, overwritten_by: over, base }) {
    const { page } = this;
    const { calls, tensors } = page.rec;
    const link = (text, onclick) => el("button", { type: "button", class: "link", text, onclick });
    const toCall = (call, end) => link(callName(call, true), () => page.go(call[end]));
    const toState = (state) => link(shapeOf(page.rec, state), () => page.pick(state));
    const made = producer == null ? page.say("from_outside") : toCall(calls[producer], "end");
    const users = this.uses(id);
    const more = users.length > MOST_USES ? page.say("more", { n: users.length - MOST_USES }) : null;
    const after = tensors.find((t) => t.previous === id);
    const rows = [
      name ? ["", page.say("of_model")] : [previous == null ? "made_by" : "written_by", made],
      users.length && ["used_by", ...users.slice(0, MOST_USES).map((call) => toCall(call, "start")), more],
      over != null && ["overwritten_by", toCall(calls[over], "end")],
      previous != null && ["earlier", toState(previous)],
      after && ["later", toState(after.id)],
      base != null && ["view_of", toState(base)],
    ];
    return terms("links", rows.filter(Boolean).map(([key, ...what]) => [key && page.say(key), ...what]));
  }

  /** The calls that take a tensor state as an argument, or within one. */
  uses(state) {
    if (!this.users) {
      this.users = new Map();
      for (const call of this.page.rec.calls) {
        for (const taken of new Set(tensorsOf(call.args))) {
          if (!this.users.has(taken)) this.users.set(taken, []);
          this.users.get(taken).push(call);
        }
      }
    }
    return this.users.get(state) ?? [];
  }
}

function drawHistogram({ histogram, min, max, mean }, context, width, height) {
  const most = Math.max(...histogram);
  const step = width / histogram.length;
  context.fillStyle = colour("accent-soft");
  histogram.forEach((n, i) => {
    const tall = n ? Math.max(1, (height - 2) * Math.sqrt(n / most)) : 0;
    context.fillRect(i * step, height - tall, Math.max(step - 1, 1), tall);
  });
  const mark = (value, ink, thick) => {
    context.fillStyle = colour(ink);
    if (min < value && value < max) context.fillRect((width * (value - min)) / (max - min) - thick / 2, 0, thick, height);
  };
  mark(0, "quiet", 1);
  mark(mean, "accent", 2);
}

/** What the axes of a shape mean, as far as the shape tells. */
function axisNames({ length, 0: first, 1: second }) {
  if (length === 4) return ["batch", "channels", "height", "width"];
  if (length === 3 && first <= 4) return ["channels", "height", "width"];
  if (length === 2) return second === 4 ? ["boxes", "coords"] : ["rows", "columns"];
  return [];
}
