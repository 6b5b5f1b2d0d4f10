// The page: puts its parts together, and keeps the keys, the language and the colours.
import * as address from "./address.js";
import { el, fill, put, terms } from "./dom.js";
import * as map from "./map.js";
import { cursor, drawNow, drawSoon, LANGUAGES, local, memory, message, obey, parts, rec, refresh, root, say, shown, go, toggleBreakpoint } from "./page.js";
import * as scene from "./scene.js";
import * as source from "./source.js";
import * as tensor from "./tensor.js";
import * as timeline from "./timeline.js";
import * as told from "./told.js";
import * as tree from "./tree.js";
import * as values from "./values.js";

const TABS = { calls: "tree", source: "source", values: "values", commentary: "commentary" };
const dark = matchMedia("(prefers-color-scheme: dark)");
const page = document.documentElement;
let columns, help;
let lower = scene.hasPicture ? "picture" : "tensor"; // what is shown beneath the values

function build() {
  page.lang = rec.data.languages[shown.lang][1];
  columns = el("main.columns", { "data-tab": "source" }, tree.build(), el("div.middle", source.build(), told.build()),
    el("div.right", values.build(), lowerPart()));
  help = helpDialog();
  const notices = rec.data.labels.notices.map(([kind, texts]) => el(`p.notice${kind}`, local(texts)));
  fill(root, header(), map.build(), notices, tabs(), columns, timeline.build(), message, help);
  refresh();
}

function header() {
  const tool = (text, hint, onclick, names = "") => el(`button.tool${names}`, { hint, onclick }, text);
  const next = following();
  return el("header.top", el("h1", local(rec.data.labels.title)), el("p.facts.quiet", local(rec.data.labels.facts)),
    tool(rec.data.languages[LANGUAGES[next]][0], rec.data.texts.language_hint[next], switchLanguage, ".language"),
    tool("◐", say("scheme"), switchScheme), tool("?", say("help"), () => help.showModal()));
}

function lowerPart() {
  const panels = { tensor: tensor.build(), ...(scene.isEmpty ? {} : { picture: scene.build() }) };
  const tabs = Object.entries(panels).map(([name, panel]) => {
    const id = `tab-${name}`;
    put(panel, { role: "tabpanel", "aria-labelledby": id });
    return el("button", { role: "tab", id, onclick: () => choose(name) }, say(name));
  });
  const part = el("div.lower", el("div.lower-tabs", el("div", { role: "tablist", label: say("tensor") }, tabs),
    el("button.enlarge.quiet", { hint: say("enlarge"), onclick: enlarge }, "⤢")), Object.values(panels));
  const choose = (name) => {
    lower = part.dataset.shown = name;
    for (const tab of tabs) put(tab, { "aria-selected": tab.id === `tab-${name}` });
    drawSoon();
  };
  choose(lower);
  return part;
}

function enlarge() {
  columns.classList.toggle("large");
  redraw();
}

function redraw() {
  tensor.forget();
  drawSoon();
}

function tabs() {
  const nav = el("nav.tabs", { label: say("tree") }, Object.entries(TABS).map(([tab, key]) => el("button", {
    "aria-current": tab === "source" || null, onclick: ({ target }) => {
      columns.dataset.tab = tab;
      for (const other of nav.children) put(other, { "aria-current": other === target || null });
      refresh();
    } }, say(key))));
  return nav;
}

function helpDialog() {
  const names = Object.keys(rec.data.texts).map((key) => key.split("key_")[1]).filter(Boolean);
  const keys = names.map((all) => [all.split(" ").map((name) => el("kbd", name)), say(`key_${all}`)]);
  const dialog = el("dialog.help", { "aria-labelledby": "help-title" }, el("h2", { id: "help-title" }, say("keys_title")),
    terms("keys", keys), el("p", say("about")), el("h2", say("notes")), terms("about", Object.entries(rec.data.labels.about)),
    rec.notes.map((note) => el("p", note)),
    el("button.tool", { hint: say("close"), onclick: () => dialog.close() }, say("close")));
  return dialog;
}

const following = () => (LANGUAGES.indexOf(shown.lang) + 1) % LANGUAGES.length;

function switchLanguage() {
  shown.lang = memory["tracer-lang"] = LANGUAGES[following()];
  build();
  root.querySelector(".language").focus();
}

function applyScheme() {
  page.dataset.scheme = ["light", "dark"].find((scheme) => scheme === memory["tracer-scheme"]) ?? (dark.matches ? "dark" : "light");
}

function switchScheme() {
  memory["tracer-scheme"] = page.dataset.scheme === "dark" ? "light" : "dark";
  applyScheme();
  timeline.drawFlame();
  redraw();
}

const KEYS = {
  ArrowLeft: "rn", ArrowRight: "n", Home: "first", End: "last", "[": "[", "]": "]", s: "s", S: "rs", o: "r", O: "rr", c: "c", C: "rc",
  " ": () => timeline.togglePlay(),
  b: () => cursor.place && toggleBreakpoint(cursor.place),
  ":": timeline.focusCommand,
  "/": tree.focusSearch,
  "?": () => help.showModal(),
};

function press(event) {
  const { key, target: { tagName, type } } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (["SELECT", "TEXTAREA"].includes(tagName) || (tagName === "INPUT" && !["range", "checkbox"].includes(type))) return;
  const onButton = key === " " && ["BUTTON", "SUMMARY", "INPUT"].includes(tagName);
  if (!Object.hasOwn(KEYS, key) || onButton) return;
  event.preventDefault();
  if (timeline.isPlaying() && key !== " ") timeline.togglePlay(false);
  if (typeof KEYS[key] === "string") obey(KEYS[key]);
  else KEYS[key]();
}

applyScheme();
dark.addEventListener("change", applyScheme);
if (rec.data.at != null) cursor.goto(rec.data.at);
address.follow(location.hash);
parts.push(values, map, tree, source, tensor, scene, told, timeline, address); // the values choose the tensor that others show
build();
addEventListener("hashchange", () => { address.follow(location.hash); refresh(); });
document.addEventListener("keydown", press);
// For tests and the console.
globalThis.tracerPage = { cursor, go, draw: drawNow, address: address.address, follow: address.follow, get playing() { return timeline.isPlaying(); } };
page.dataset.ready = Math.round(performance.now());
