// The page: puts its parts together, and keeps the keys, the language and the colours.
import * as address from "./address.js";
import { command } from "./commands.js";
import { el, fill, put, terms } from "./dom.js";
import * as guess from "./guess.js";
import * as map from "./map.js";
import * as desk from "./page.js";
import { cursor, drawNow, drawSoon, go, local, message, obey, parts, rec, refresh, root, say, shown, tell, toggleBreakpoint, view } from "./page.js";
import { divider } from "./panes.js";
import { languageTool, listen, named, scheme, schemeTool, tool } from "./reader.js";
import * as scene from "./scene.js";
import { sourcePane } from "./source.js";
import { tensorPane } from "./tensor.js";
import * as timeline from "./timeline.js";
import * as told from "./told.js";
import * as tour from "./tour.js";
import * as tree from "./tree.js";
import { valuesPane } from "./values.js";

const TABS = { calls: "tree", source: "source", values: "values", commentary: "commentary" };
const [source, values, tensor] = [sourcePane, valuesPane, tensorPane].map((pane) => pane(desk));
const opened = {}; // the step that was shown first
let columns, help, first, views, enlarger, tabbed, chooseLower;
let lower = scene.hasPicture ? "picture" : "tensor"; // what is shown beneath the values

function build() {
  named();
  columns = el("main.columns", { "data-tab": columns?.dataset.tab ?? "source" }, tree.build(), divider("calls", true),
    el("div.middle", source.build(), divider("source", false), told.build()), divider("right", true, true),
    el("div.right", values.build(), divider("values", false), lowerPart()));
  help = helpDialog();
  first = el("p.hint");
  const notices = rec.data.labels.notices.map(([kind, texts]) => el(`p.notice${kind}`, local(texts)));
  fill(root, header(), map.build(), first, tour.build(look), guess.build(look), notices, tabs(), columns, told.paper, timeline.build(), message, help);
  refresh();
}

function header() {
  views = tool("", say("view_hint"), () => view(shown.view === "plain" ? "full" : "plain"), ".views");
  return el("header.top", el("h1", local(rec.data.labels.title)), el("p.facts.quiet", local(rec.data.labels.facts)),
    tour.tours.length > 0 && tool(say("tour"), say("tour_hint"), () => (tour.isOn() ? tour.leave() : tour.begin())),
    guess.guesses.length > 0 && tool(say("guess"), say("guess_hint"), guess.toggle), views,
    languageTool(build), schemeTool(), tool(say("help"), say("help_hint"), () => help.showModal()));
}

// What is seen of the page, and until the first step what to do with it.
const seen = {
  update() {
    const { view: name } = shown;
    if (root.dataset.view !== name) redraw();
    Object.assign(root.dataset, { view: name, picture: scene.hasPicture });
    views.textContent = say(name === "plain" ? "view_full" : "view_plain");
    enlarger.textContent = say(name === "large" ? "smaller" : "enlarge");
    if (tour.isOn() && guess.isOn()) guess.close();
    put(first, { hidden: cursor.tick !== opened.tick || tour.isOn() || guess.isOn() });
    if (!tour.isOn()) delete root.dataset.look;
    if (name === "plain" && lower === "tensor" && !tour.isOn() && !guess.isOn()) chooseLower("picture"); // it has no tabs
    fill(first, say(`first_${rec.error ? "failed" : rec.kind !== "pass" ? "built" : name === "plain" ? name : "full"}`), tour.offer());
  },
};

function lowerPart() {
  enlarger = el("button.enlarge.quiet", { onclick: () => view(shown.view === "large" ? "full" : "large") });
  const panels = { tensor: tensor.build(), ...(scene.isEmpty ? {} : { picture: scene.build((name) => chooseLower(name)) }) };
  const tabs = [...Object.keys(panels), scene.hasStories && "story"].filter(Boolean)
    .map((name) => el("button", { role: "tab", id: `tab-${name}`, onclick: () => chooseLower(name) }, say(name)));
  const part = el("div.lower", el("div.lower-tabs", el("div", { role: "tablist", label: say("tensor") }, tabs),
    enlarger), Object.values(panels));
  chooseLower = (name) => {
    const id = `tab-${name}`;
    lower = tabs.some((tab) => tab.id === id) ? name : lower;
    for (const tab of tabs) put(tab, { "aria-selected": tab.id === `tab-${lower}` });
    // the stories are drawn where the picture is
    const here = lower === "story" ? "picture" : lower;
    for (const [key, panel] of Object.entries(panels)) put(panel, { role: "tabpanel", "aria-labelledby": `tab-${key === here ? lower : key}`, hidden: key !== here });
    scene.tellStories(lower === "story");
    drawSoon();
  };
  chooseLower(lower);
  return part;
}

function redraw() {
  tensor.forget();
  drawSoon();
}

function tabs() {
  tabbed = Object.entries(TABS).map(([tab, key]) => el("button", { "data-tab": tab, onclick: () => chooseTab(tab) }, say(key)));
  chooseTab(columns.dataset.tab, false);
  return el("nav.tabs", { label: say("panes") }, tabbed);
}

function chooseTab(tab, show = true) {
  columns.dataset.tab = tab;
  for (const one of tabbed) put(one, { "aria-current": one.dataset.tab === tab || null });
  if (show) refresh();
}

// Bring a panel into sight, for a stop of a tour.
function look(panel, drawing) {
  const isLower = ["picture", "tensor"].includes(panel);
  if (isLower) chooseLower(panel);
  if (drawing) scene.show(drawing);
  if (!isLower && panel !== "commentary" && shown.view !== "full") {
    shown.view = "full";
    refresh();
  }
  chooseTab(isLower ? "values" : panel);
  root.dataset.look = panel;
}

// The search, or the command line, wherever one is.
function reach(focus) {
  if (shown.view !== "full") view("full");
  if (focus === tree.focusSearch) chooseTab("calls");
  focus();
}

function helpDialog() {
  const names = Object.keys(rec.data.texts).map((key) => key.split("key_")[1]).filter(Boolean);
  const keys = names.map((all) => [all.split(" ").map((name) => el("kbd", name)), say(`key_${all}`)]);
  const dialog = el("dialog.help", { "aria-labelledby": "help-title" }, el("h2", { id: "help-title" }, say("keys_title")),
    terms("keys", keys), el("p", say("about")), el("h2", say("notes")), terms("about", Object.entries(rec.data.labels.about)),
    rec.notes.map((note) => el("p", note)), el("h2", say("questions")), told.everyQuestion(), el("h2", say("commands")),
    terms("keys", command(cursor, "help").map(({ usage, told }) => [el("kbd", usage), local(told)])),
    el("button.tool", { hint: say("close"), onclick: () => dialog.close() }, say("close")));
  return dialog;
}

const KEYS = {
  ArrowLeft: "rn", ArrowRight: "n", Home: "first", End: "last", "[": "[", "]": "]", s: "s", S: "rs", o: "r", O: "rr", c: "c", C: "rc",
  " ": () => timeline.togglePlay(),
  b: () => cursor.place && toggleBreakpoint(cursor.place),
  ":": () => reach(timeline.focusCommand),
  "/": () => reach(tree.focusSearch),
  ".": () => tour.onward(1),
  ",": () => tour.onward(-1),
  g: guess.toggle,
  Escape: () => (message.textContent ? tell("") : shown.view === "large" && view("full")),
  "?": () => help.showModal(),
};

function act(key) {
  if (timeline.isPlaying() && key !== " ") timeline.togglePlay(false);
  if (typeof KEYS[key] === "string") obey(KEYS[key]);
  else KEYS[key]();
}

scheme(() => {
  timeline.drawFlame();
  redraw();
});
if (rec.data.at != null) cursor.goto(rec.data.at);
const isNamed = address.follow(location.hash) || rec.data.at != null;
shown.view ??= scene.hasPicture && !isNamed && !rec.error ? "plain" : address.usual;
opened.tick = cursor.tick;
parts.push(seen, values, map, tree, source, tensor, scene, told, timeline, address); // the values choose the tensor that others show
build();
if (rec.data.touring) tour.begin(tour.tours[0], 0);
addEventListener("hashchange", () => { address.follow(location.hash); refresh(); });
// What holds the page in a frame, as an editor does, may say where to go.
addEventListener("message", ({ data }) => { if (typeof data === "string") { address.follow(data); refresh(); } });
listen(KEYS, act, () => help.open);
// For tests and the console.
globalThis.tracerPage = { cursor, go, draw: drawNow, address: address.address, follow: address.follow, get playing() { return timeline.isPlaying(); } };
document.documentElement.dataset.ready = Math.round(performance.now());
