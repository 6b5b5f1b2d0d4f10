// Right, below: the tensor at hand: axes, range, histogram, previews, where from and where to.
import { colour, mapped, paint } from "./canvas.js";
import { el, fill, terms, View } from "./dom.js";
import { product, push, tensorsOf } from "./record.js";
import { big, callName, count, dims, num, shapeOf } from "./text.js";

const MOST_ROWS = 20;
const MOST_COLUMNS = 8;
const MOST_USES = 6;

export class TensorView extends View {
  constructor(page) {
    super(page);
    this.pin = el("input", { type: "checkbox", onchange: () => { page.automatic = !this.pin.checked; } });
    this.body = el("div.body");
    this.element = this.panel("tensor", "tensor",
      el("label.check.pin", { title: this.say("pin_hint") }, this.pin, this.say("pin")), this.body);
  }

  update() {
    this.pin.checked = !this.page.automatic;
  }

  /** Build what is shown of the tensor at hand, with its pictures. */
  draw() {
    const { tensor } = this.page;
    if (this.shown === tensor && this.body.firstChild) return;
    this.shown = tensor;
    const state = this.rec.tensors[tensor];
    fill(this.body, state
      ? [this.heading(state), this.numbers(state), this.planes(state), this.kept(state), this.links(state)]
      : this.nothing("no_tensor"));
    const canvas = this.body.querySelector(".histogram");
    if (canvas) paint(canvas, (...args) => drawHistogram(state.summary, ...args));
  }

  heading({ summary: { shape, dtype, device }, name }) {
    const axes = axisNames(shape);
    const facts = [dtype, big(product(shape)), device === "cpu" ? "" : device].filter(Boolean).join(" · ");
    return [
      el("ol.axes", { label: dims(shape) }, shape.map((size, i) => el("li", el("b", count(size)),
        axes[i] && el("span", this.say(`axis_${axes[i]}`))))),
      [facts, name].filter(Boolean).map((text) => el("p.quiet", text))];
  }

  numbers({ summary: { histogram, min, max, mean, std, zeros, nan, inf } }) {
    if (min == null) return this.nothing("no_numbers");
    const facts = [["range", `${num(min)} … ${num(max)}`], ["mean", num(mean)], ["std", num(std)],
      ["zeros", zeros != null && `${num(Math.round(zeros * 1000) / 10)} %`]].filter(([, text]) => text);
    const bad = [["NaN", nan], ["Inf", inf]].filter(([, n]) => n).map(([name, n]) => [name, count(n)]);
    const hint = this.say("histogram", { low: num(min), high: num(max) });
    return [histogram.length > 0 && el("canvas.histogram", { role: "img", hint }),
      terms("numbers", facts.map(([key, text]) => [this.say(key), text])), bad.length > 0 && terms("numbers.bad", bad)];
  }

  planes({ id, preview }) {
    const array = preview && this.rec.array(`preview/${id}`);
    if (!array) return null;
    const [, height, width] = array.shape;
    const thinned = preview.stride > 1 ? ` · ${this.say("stride", { n: preview.stride })}` : "";
    return el("div.planes", preview.channels.slice(0, array.shape[0]).map((channel, k) => {
      const name = this.say(channel < 0 ? "channel_mean" : "channel", { n: channel });
      const title = `${name}, ${preview.ranges[k].map(num).join(" … ")}`;
      const values = array.subarray(k * width * height, (k + 1) * width * height);
      return el(`figure.plane${k ? "" : ".first"}`, { title }, mapped(values, width, height, title),
        el("figcaption", k ? name : title + thinned));
    }));
  }

  /** The values themselves, as far as the page has them. */
  kept({ id }) {
    const array = this.rec.array(`data/${id}`);
    if (!array?.length || array.shape.length > 2) return null;
    const [rows = 1, columns = 1] = array.shape;
    const n = Math.min(rows, MOST_ROWS);
    const table = Array.from({ length: n }, (_, i) => el("tr", el("th", { scope: "row" }, i), Array.from(
      array.subarray(i * columns, i * columns + Math.min(columns, MOST_COLUMNS)), (value) => el("td", num(value)))));
    const label = this.say("rows_shown", { n, all: count(rows) });
    return el("details", el("summary", `${this.say("values_kept")} · ${label}`),
      el("div.scroll", { tabindex: "0", role: "group", label }, el("table", table)));
  }

  /** Where it comes from, and where it goes. */
  links({ id, name, producer, previous, overwritten_by: over, base }) {
    const { page, say, rec: { calls, tensors } } = this;
    const link = (text, onclick) => el("button.link", { onclick }, text);
    const toCall = (call, end) => link(callName(call, true), () => page.go(call[end]));
    const toState = (state) => link(shapeOf(this.rec, state), () => page.pick(state));
    const made = producer == null ? say("from_outside") : toCall(calls[producer], "end");
    const users = this.uses(id);
    const more = users.length - MOST_USES;
    const after = tensors.find((state) => state.previous === id);
    const rows = [
      name ? ["", say("of_model")] : [previous == null ? "made_by" : "written_by", made],
      users.length && ["used_by", users.slice(0, MOST_USES).map((call) => toCall(call, "start")),
        more > 0 && say("more", { n: more })],
      over != null && ["overwritten_by", toCall(calls[over], "end")],
      previous != null && ["earlier", toState(previous)],
      after && ["later", toState(after.id)],
      base != null && ["view_of", toState(base)],
    ];
    return terms("links", rows.filter(Boolean).map(([key, ...what]) => [key && say(key), ...what]));
  }

  /** The calls that take a tensor state as an argument, or within one. */
  uses(state) {
    if (!this.users) {
      this.users = new Map();
      for (const call of this.rec.calls) for (const taken of new Set(tensorsOf(call.args))) push(this.users, taken, call);
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
  for (const [value, ink, thick] of [[0, "quiet", 1], [mean, "accent", 2]]) {
    context.fillStyle = colour(ink);
    if (min < value && value < max) context.fillRect((width * (value - min)) / (max - min) - thick / 2, 0, thick, height);
  }
}

/** What the axes of a shape mean, as far as the shape tells. */
function axisNames({ length, 0: first, 1: second }) {
  if (length === 4) return ["batch", "channels", "height", "width"];
  if (length === 3 && first <= 4) return ["channels", "height", "width"];
  if (length === 2) return second === 4 ? ["boxes", "coords"] : ["rows", "columns"];
  return [];
}
