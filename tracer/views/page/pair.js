// The page of a comparison: two recordings side by side, which step together.
import { clip, colour, el, fill, paint, put, terms } from "./dom.js";
import { count } from "./numbers.js";
import { drawNow, drawSoon, local, message, parts, rec, refresh, root, say, shown, tell } from "./page.js";
import * as calls from "./pair-calls.js";
import * as detections from "./pair-detections.js";
import { languageTool, listen, named, scheme, schemeTool, tool } from "./reader.js";
import { sourcePane } from "./source.js";
import { tensorPane } from "./tensor.js";
import { go, goToPair, has, here, into, known, out, over, pairs, placeOf, sides, statesDiffer, steps, toDifference, toStage } from "./together.js";
import { valuesPane } from "./values.js";

const NAMES = ["A", "B"];
const TABS = ["steps", "calls", "source", "values", "detections"];
const STATUSES = ["settings", "origin", "again", "follows", "inputs", "first", "second"];
const DEEPEST = 9;
const panes = sides.map((side) => [sourcePane(side), valuesPane(side), tensorPane(side)]);
let columns, help, tabbed, verdict, said, heads, slider, head, where, canvas, between;

function build() {
  named();
  for (const [, , tensor] of panes) tensor.forget();
  columns = el("main.columns.pair", { "data-tab": columns?.dataset.tab ?? "steps" }, calls.build(), sides.map(sideOf), detections.isThere && detections.build());
  help = helpDialog();
  fill(root, header(), parting(), notices(), tabs(), atHand(), columns, timeline(), message, help);
  refresh();
}

function header() {
  return el("header.top", el("h1", say("pair.title")), el("p.facts.quiet", known.names.map((name, i) => `${NAMES[i]}: ${name}`).join(" · ")),
    languageTool(build), schemeTool(), tool(say("help"), say("help_hint"), () => help.showModal()));
}

// --- the answer ---

function parting() {
  const main = known.first == null ? null : pairs[known.first];
  const counted = STATUSES.map((name) => [name, pairs.filter(({ status }) => status === name).length]).filter(([, n]) => n);
  const [text, because] = local(known.verdict).split("\n");
  const key = main?.status === "origin" ? "pair.show_parting" : "pair.show_first";
  verdict = el("section.hint.parting", { label: say("pair.answer") },
    el("div", el("p", el("b", text)), because && el("p", because), el("p.counts.quiet", counted.map(([name, n]) => el("span", el(`span.mark.is-${name}`, local(known.statuses[name])), ` ${count(n)}`)))),
    el("div.stops-of", main && tool(say(key), say("pair.show_hint"), () => showPair(main), ".on"),
      known.branch != null && tool(say("pair.show_branch"), say("pair.branch_hint"), () => show(known.branch)),
      main && tool(say("pair.before"), say("pair.before_hint"), () => differ(-1)), main && tool(say("pair.after"), say("pair.after_hint"), () => differ(1)),
      detections.isThere && tool(say("kind_detections"), say("pair.detections_hint"), () => choose("detections")),
      tool(say("pair.more"), say("pair.more_hint"), () => help.showModal())));
  return verdict;
}

const notices = () => [rec, rec.second].flatMap(({ data }, i) => data.labels.notices.map(([kind, texts]) => el(`p.notice${kind}`, el("b", `${NAMES[i]} `), local(texts))));

function show(step) {
  if (columns.dataset.tab === "detections") choose("steps");
  go(step);
}

function showPair(pair) {
  if (columns.dataset.tab === "detections") choose("steps");
  goToPair(pair);
}

function differ(by) {
  if (columns.dataset.tab === "detections") choose("steps");
  if (!toDifference(by, calls.follows())) tell(say(by > 0 ? "pair.last_difference" : "pair.no_earlier"));
}

function tabs() {
  const offered = TABS.filter((tab) => tab !== "detections" || detections.isThere);
  const titles = { steps: "pair.steps", calls: "tree", source: "source", values: "values", detections: "kind_detections" };
  tabbed = offered.map((tab) => el("button", { "data-tab": tab, onclick: () => choose(tab) }, say(titles[tab])));
  choose(columns.dataset.tab, false);
  return el("nav.tabs.pair", { label: say("panes") }, tabbed);
}

function choose(tab, again = true) {
  columns.dataset.tab = tab;
  for (const one of tabbed) put(one, { "aria-current": one.dataset.tab === tab || null });
  if (again) refresh();
}

// --- the step at hand ---

function atHand() {
  said = el("div.at-hand", { role: "status" });
  return said;
}

function tellStep() {
  const { pair, kind, ticks } = here.step;
  const { inputs, results, settings, call } = pair;
  const ended = kind === "end";
  const parts = [...settings.map(local), ...inputs.map(([name, how]) => `${name}: ${local(how)}`),
    ...(ended ? results.map(([name, how]) => `${[say("returns"), name].filter(Boolean).join(" ")}: ${local(how)}`) : [])];
  const alone = ticks.findIndex((tick) => tick == null);
  const only = alone >= 0 && pair.calls.every(Boolean);
  fill(said, el("code", clip(call.label, 80)), calls.mark(pair), only && el("span.quiet", say("pair.line_alone", { name: NAMES[1 - alone] })),
    parts.length > 0 && el("span.what", clip(parts.join(" · "), 300)));
}

// --- a side ---

function sideOf(side, i) {
  const [source, values, tensor] = panes[i];
  const title = el("h2", el("b", NAMES[i]), " ", known.names[i]);
  heads = i ? [...heads, title] : [title];
  const below = el("div.below", values.build(), tensor.build());
  if (i === 0) between = el("p.between.quiet", { role: "status" });
  return el(`section.side.side-${NAMES[i]}`, { label: `${NAMES[i]}: ${known.names[i]}` }, el("div.side-head", title, el("p.absent", say("pair.absent", { name: NAMES[i] }))),
    source.build(), below);
}

const whole = {
  update() {
    tellStep();
    sides.forEach((_, i) => heads[i].parentNode.parentNode.classList.toggle("is-absent", !has(i)));
    const { index, pair, kind } = here.step;
    slider.value = index;
    const line = sides.map(({ cursor }) => cursor.position.line?.line).find(Boolean);
    const what = say(`at_${kind}`, { n: line });
    put(slider, { "aria-valuetext": `${pair.call.label} · ${what}` });
    put(head, { style: { left: `${100 * (index / Math.max(steps.length - 1, 1))}%` } });
    fill(where, el("b", say("step_of", { n: count(index), all: count(steps.length - 1) })), " ", clip(`${pair.call.label} · ${what}`, 90));
    const [how, way] = statesDiffer(...sides.map(({ shown: { tensor } }) => tensor)) ?? [];
    fill(between, how && say(way == null ? "pair.tensors" : "pair.tensors_by", { how: local(how), way: way == null ? "" : local(known.ways[way]) }));
  },
};

// --- below: the whole run in both ---

const BUTTONS = [["first", "[", "rr", "rs", "rn"], ["n", "s", "r", "]", "last"]];
const MOVES = { first: () => go(0), last: () => go(steps.length - 1), n: () => over(1), rn: () => over(-1), s: () => into(1), rs: () => into(-1),
  r: () => out(1), rr: () => out(-1), "[": () => toStage(-1), "]": () => toStage(1) };

function timeline() {
  const label = say("timeline");
  canvas = el("canvas.flame", { "aria-hidden": true });
  head = el("div.head");
  slider = el("input", { type: "range", min: 0, max: steps.length - 1, label, oninput: () => go(Number(slider.value)) });
  where = el("output.where.quiet");
  new ResizeObserver(drawFlame).observe(canvas);
  const groups = BUTTONS.map((group) => el("span.group", group.map((word) => el("button", { "data-move": word, title: say(`move_${word}`), onclick: MOVES[word] }, say(`button_${word}`)))));
  return el("footer.timeline", { label }, el("div.strip", canvas, head, slider), el("div.controls", { role: "toolbar", label }, groups, where, between));
}

const INKS = { same: ["bar", 0.9], settings: ["accent", 0.9], within: ["error", 0.35], origin: ["error", 1], again: ["error", 0.75], follows: ["edge", 0.75], inputs: ["edge", 0.4], first: ["accent", 0.6], second: ["fresh", 0.8] };

// Every pair as a bar, one row per depth, in the colour of what is said of it; where the two part goes through all rows.
function drawFlame() {
  const rows = Math.min(Math.max(...pairs.map(({ depth }) => depth)) + 1, DEEPEST);
  const inks = Object.fromEntries(Object.entries(INKS).map(([name, [ink]]) => [name, colour(ink)]));
  paint(canvas, (context, width, height) => {
    const [tall, wide] = [height / rows, width / Math.max(steps.length - 1, 1)];
    for (const { depth, status, from, to } of pairs) {
      if (depth >= DEEPEST || from === undefined) continue;
      Object.assign(context, { fillStyle: inks[status], globalAlpha: INKS[status][1] });
      context.fillRect(from * wide, depth * tall, Math.max((to - from) * wide - 0.5, 0.8), tall - 0.8);
    }
    if (known.first == null) return;
    Object.assign(context, { fillStyle: inks.origin, globalAlpha: 1 });
    context.fillRect(placeOf(pairs[known.first]) * wide - 1, 0, 2, height);
  });
}

// --- help and keys ---

const KEYS = {
  ArrowLeft: "rn", ArrowRight: "n", Home: "first", End: "last", "[": "[", "]": "]", s: "s", S: "rs", o: "r", O: "rr",
  d: () => differ(1), D: () => differ(-1), f: () => known.first != null && showPair(pairs[known.first]),
  Escape: () => (message.textContent ? tell("") : columns.dataset.tab === "detections" && choose("steps")), "?": () => help.showModal(),
};

const SHARED = ["← →", "s S", "o O", "[ ]", "Home End"];
const OWN = ["d D", "f", "?"];

function helpDialog() {
  const keys = [...SHARED.map((all) => [all, `key_${all}`]), ...OWN.map((all) => [all, all === "?" ? "key_?" : `pair.key_${all}`])];
  return el("dialog.help", { "aria-labelledby": "help-title" }, el("h2", { id: "help-title" }, say("pair.notes")),
    local(known.notes).map((note) => el("p", note)), el("h2", say("keys_title")),
    terms("keys", keys.map(([all, key]) => [all.split(" ").map((name) => el("kbd", name)), say(key)])), el("p", say("pair.about")),
    [rec, rec.second].map(({ data }, i) => [el("h2", `${NAMES[i]}: ${known.names[i]}`), terms("about", Object.entries(data.labels.about))]),
    el("button.tool", { hint: say("close"), onclick: () => help.close() }, say("close")));
}

shown.view = root.dataset.view = "full";
scheme(() => {
  drawFlame();
  for (const [, , tensor] of panes) tensor.forget();
  drawSoon();
});
parts.push(...panes.map(([, values]) => values), calls, ...panes.flatMap(([source, , tensor]) => [source, tensor]), whole);
if (detections.isThere) parts.push(detections);
build();
if (known.first != null) showPair(pairs[known.first]);
listen(KEYS, (key) => (typeof KEYS[key] === "string" ? MOVES[KEYS[key]]() : KEYS[key]()), () => help.open);
// For tests and the console.
globalThis.tracerPage = { here, go, pairs, steps, sides, draw: drawNow };
document.documentElement.dataset.ready = Math.round(performance.now());
