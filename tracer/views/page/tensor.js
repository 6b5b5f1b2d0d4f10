// Right, below: the tensor at hand.
import { colour, drawBars, el, fill, mapped, paint, terms } from "./dom.js";
import { count, num } from "./numbers.js";
import { nothing, panel, say } from "./page.js";

const MOST_ROWS = 20;
const MOST_COLUMNS = 8;

export function tensorPane({ rec, shown, go, pick }) {
  let pin, body;
  let drawn; // the state shown

  function build() {
    pin = el("input", { type: "checkbox", checked: shown.pinned, onchange: () => { shown.pinned = pin.checked; } });
    body = el("div.body");
    forget();
    return panel("tensor", "tensor", el("label.check.pin", { title: say("pin_hint") }, pin, say("pin")), body);
  }

  function update() {}

  // Draw all anew: colours or sizes are others.
  const forget = () => { drawn = "nothing"; };

  function draw() {
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

  const statistics = ({ ends, numbers: known }) => [["range", ends.join(" … ")], ...known];

  // Of a tensor that is written over: what it holds, and what before and after.
  function writes(tensor) {
    const [before, after] = [rec.tensors[tensor.previous], tensor.later];
    const states = [before, tensor, after].filter(Boolean);
    if (states.length < 2) return null;
    const heads = states.map((_, i) => say(!i ? "state_before" : states[i + 1] ? "state_shown" : "state_after"));
    const rows = statistics(tensor).map(([key]) => el("tr", el("th", { scope: "row" }, say(key)),
      states.map((state) => el("td", new Map(statistics(state)).get(key) ?? ""))));
    return [el("p.quiet", say("state_writes")), el("table.writes", el("thead", el("tr", el("td"), heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", rows))];
  }

  function numbers(tensor) {
    const { ends, bad, summary: { histogram } } = tensor;
    if (!ends.length) return nothing("no_numbers");
    const [low, high] = ends;
    const rows = statistics(tensor).map(([key, text]) => [say(key), text]);
    return [histogram.length > 0 && [el("canvas.histogram", { role: "img", hint: say("histogram", { low, high }) }),
      el("p.ends.quiet", el("span", low), el("span", say("histogram_how")), el("span", high))],
      writes(tensor) ?? terms("numbers", rows), bad.length > 0 && terms("numbers.bad", bad)];
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
    const [low, high] = [Number(min), Number(max)]; // of whole numbers they are exact
    const most = Math.max(...histogram);
    const ink = colour("accent-soft");
    drawBars(context, width, height, histogram.map((n) => n && Math.max(0.03, Math.sqrt(n / most))), () => ink);
    for (const [value, name, thick] of [[0, "quiet", 1], [mean, "accent", 2]]) {
      context.fillStyle = colour(name);
      if (low < value && value < high) context.fillRect((width * (value - low)) / (high - low) - thick / 2, 0, thick, height);
    }
  }

  return { build, update, draw, forget };
}
