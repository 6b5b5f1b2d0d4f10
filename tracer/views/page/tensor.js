// Right, below: the tensor at hand.
import { colour, count, drawBars, el, fill, mapped, num, paint, terms } from "./dom.js";
import { go, nothing, panel, pick, rec, say, shown } from "./page.js";

const MOST_ROWS = 20;
const MOST_COLUMNS = 8;
let pin, body;
let drawn; // the state shown

export function build() {
  pin = el("input", { type: "checkbox", checked: shown.pinned, onchange: () => { shown.pinned = pin.checked; } });
  body = el("div.body");
  forget();
  return panel("tensor", "tensor", el("label.check.pin", { title: say("pin_hint") }, pin, say("pin")), body);
}

export function update() {}

// Draw all anew: colours or sizes are others.
export const forget = () => { drawn = "nothing"; };

export function draw() {
  const { tensor } = shown;
  if (drawn === tensor || !body.offsetWidth) return;
  drawn = tensor;
  fill(body, tensor ? [heading(tensor), numbers(tensor), planes(tensor), table(tensor), links(tensor)] : nothing("no_tensor"));
  const canvas = body.querySelector(".histogram");
  if (canvas) paint(canvas, (...args) => drawHistogram(tensor.summary, ...args));
}

function heading({ shape, axes, facts, name, summary }) {
  const axis = (size, i) => el("li", el("b", count(size)), axes[i] && el("span", say(`axis_${axes[i]}`)));
  return [el("ol.axes", { label: shape }, summary.shape.map(axis)), el("p.quiet", facts), name && el("p.quiet", name)];
}

function numbers({ ends, numbers: known, bad, summary: { histogram } }) {
  if (!ends.length) return nothing("no_numbers");
  const [low, high] = ends;
  const rows = [["range", `${low} … ${high}`], ...known].map(([key, text]) => [say(key), text]);
  return [histogram.length > 0 && el("canvas.histogram", { role: "img", hint: say("histogram", { low, high }) }),
    terms("numbers", rows), bad.length > 0 && terms("numbers.bad", bad)];
}

function planes({ id, preview }) {
  const array = preview && rec.array(`preview/${id}`);
  if (!array) return null;
  const [most, height, width] = array.shape;
  const thinned = preview.stride > 1 ? ` · ${say("stride", { n: preview.stride })}` : "";
  return el("div.planes", preview.channels.slice(0, most).map((channel, k) => {
    const name = say(channel < 0 ? "channel_mean" : "channel", { n: channel });
    const title = `${name}, ${preview.ranges[k].map(num).join(" … ")}`;
    const values = array.subarray(k * width * height, (k + 1) * width * height);
    return el(`figure.plane${k ? "" : ".first"}`, { title }, mapped(values, width, height, title),
      el("figcaption", k ? name : title + thinned));
  }));
}

function table({ id }) {
  const array = rec.array(`data/${id}`);
  if (!array?.length || array.shape.length > 2) return null;
  const [rows = 1, columns = 1] = array.shape;
  const n = Math.min(rows, MOST_ROWS);
  const cells = (i) => [...array.subarray(i * columns, i * columns + Math.min(columns, MOST_COLUMNS))].map((value) => el("td", num(value)));
  const label = say("rows_shown", { n, all: count(rows) });
  return el("details", el("summary", `${say("values_kept")} · ${label}`), el("div.scroll", { tabindex: "0", role: "group", label },
    el("table", Array.from({ length: n }, (_, i) => el("tr", el("th", { scope: "row" }, i), cells(i))))));
}

// beside.py says what a row is.
function links({ links: rows }) {
  const link = ([text, tick, state]) => el("button.link", { onclick: () => (tick == null ? pick(rec.tensors[state]) : go(tick)) }, text);
  return terms("links", rows.map(([key, what, more]) => [
    key && say(key), typeof what === "string" ? say(what) : what.map(link), more > 0 && say("more", { n: more })]));
}

function drawHistogram({ histogram, min, max, mean }, context, width, height) {
  const most = Math.max(...histogram);
  const ink = colour("accent-soft");
  drawBars(context, width, height, histogram.map((n) => n && Math.max(0.03, Math.sqrt(n / most))), () => ink);
  for (const [value, name, thick] of [[0, "quiet", 1], [mean, "accent", 2]]) {
    context.fillStyle = colour(name);
    if (min < value && value < max) context.fillRect((width * (value - min)) / (max - min) - thick / 2, 0, thick, height);
  }
}
