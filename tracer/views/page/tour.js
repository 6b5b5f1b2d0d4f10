// Above the panes: a guided tour. It can be left, and taken up again at any stop.
import { el, fill, prose, put, select } from "./dom.js";
import { go, lead, leadBack, local, memory, rec, refresh, say, tell } from "./page.js";

export const tours = rec.data.tours;
let bar, look;
let tour = null; // the one that is followed
const [known, number] = (memory["tracer-tour"] ?? "").split(":");
let last = tours.find(({ name }) => name === known) ?? tours[0]; // the one that was,
let at = last?.name === known ? Math.min(Number(number) || 0, last.stops.length - 1) : 0; // and its stop

// `show(panel, drawing)` brings a panel into sight.
export function build(show) {
  look = show;
  bar = el("section.tour", { label: say("tour"), hidden: true });
  write();
  return bar;
}

export const isOn = () => tour !== null;

// What the first of them is offered by, or the one that was left.
export const offer = () => last && el("button.tool", { title: local(last.about), onclick: () => begin() },
  `${say("tour")}: ${local(last.title)}`, at > 0 && ` ${at + 1}/${last.stops.length}`);

export function begin(one = last, stop = one === last ? at : 0) {
  const missing = isOn() ? [] : local(one.missing);
  lead();
  tour = last = one;
  visit(stop);
  if (missing.length) tell(say("tour_missing", { stops: missing.join(" · ") }));
}

export function leave() {
  tour = null;
  leadBack();
  write();
  refresh();
}

// One stop on, or back.
export const onward = (by) => tours.length && begin(last, isOn() ? at + by : at);

function visit(stop) {
  const { stops } = tour;
  at = Math.max(0, Math.min(stop, stops.length - 1));
  const { tick, panel, drawing } = stops[at];
  memory["tracer-tour"] = `${tour.name}:${at}`;
  const isAmong = bar.contains(document.activeElement);
  write();
  go(tick);
  look(panel, drawing);
  if (isAmong) bar.querySelector(".on").focus();
}

function write() {
  put(bar, { hidden: !tour });
  if (!tour) return;
  const { stops } = tour;
  const { title, text, question } = stops[at];
  const [asked, answer] = (question && local(question)) ?? [];
  const button = (key, onclick, names = "") => el(`button.tool${names}`, { onclick }, say(key));
  const paragraphs = (texts) => texts.map((one) => el("p", prose(one)));
  fill(bar, el("div", { "aria-live": "polite" }, el("h2", local(title)), paragraphs(local(text)),
    asked && el("details", el("summary", prose(asked)), paragraphs(answer))),
  el("div.stops-of", tours.length > 1 && select(say("tours"), tours.map((one, i) => [i, local(one.title)]), tours.indexOf(tour), (i) => begin(tours[i], 0)),
    select(say("tour_stops"), stops.map((one, i) => [i, `${i + 1}/${stops.length} ${local(one.title)}`]), at, (i) => visit(Number(i))),
    at > 0 && button("tour_back", () => visit(at - 1)),
    at < stops.length - 1 ? button("tour_on", () => visit(at + 1), ".on") : button("tour_done", leave, ".on"),
    at < stops.length - 1 && button("tour_leave", leave)));
}
