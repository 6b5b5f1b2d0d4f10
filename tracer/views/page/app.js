// The page: puts the views together, moves the cursor, keeps the address and the keys.
import { el, fill, terms, visible } from "./dom.js";
import { unpack } from "./record.js";
import { command } from "./commands.js";
import { Refused } from "./evaluate.js";
import { Cursor, Timeline } from "./stepper.js";
import { LANGUAGES, num } from "./text.js";
import { Tree } from "./tree.js";
import { SourceView } from "./source.js";
import { Values } from "./values.js";
import { TensorView } from "./tensor.js";
import { Commentary } from "./told.js";
import { StageMap } from "./map.js";
import { PictureView } from "./scene.js";
import { describe, TimelineView } from "./timeline.js";
import { fromAddress, toAddress } from "./address.js";

const COLOURS = 10; // of stages, in page.css
const TABS = [["calls", "tree"], ["source", "source"], ["values", "values"], ["commentary", "commentary"]];
const dark = matchMedia("(prefers-color-scheme: dark)");

class Page {
  constructor(rec, root) {
    const timeline = new Timeline(rec);
    Object.assign(this, { rec, root, timeline, cursor: new Cursor(rec, timeline), pace: 4, lower: "tensor" });
    this.memory = storage();
    this.lang = LANGUAGES.find((lang) => lang === this.memory["tracer-lang"]) ?? rec.data.lang;
    this.scheme = ["light", "dark"].find((scheme) => scheme === this.memory["tracer-scheme"]);
    this.tensor = null; // the state at hand
    this.automatic = true; // whether it follows the steps
    this.stageNumber = new Map(rec.stages.map((stage, i) => [stage.name, i % COLOURS]));
    this.applyScheme();
    if (rec.data.at != null) this.cursor.goto(rec.data.at);
    this.follow(location.hash);
    this.build();
    dark.addEventListener("change", () => this.applyScheme());
    addEventListener("hashchange", () => { this.follow(location.hash); this.refresh(); });
    document.addEventListener("keydown", (event) => this.key(event));
  }

  /** The one of an English and a Chinese text that is in the language of the page. */
  local = (texts) => texts[LANGUAGES.indexOf(this.lang)];

  /** What the page says for a key, its {names} filled in. */
  say = (key, values = {}) => this.local(this.rec.data.texts[key]).replace(/\{(\w+)\}/g, (_, name) => String(values[name]));

  describe = (position) => describe(this.say, position);

  /** The commentary in the language of the page, if there is one. */
  get told() {
    return this.rec.data.told?.languages[this.lang];
  }

  // --- building ---

  build() {
    document.documentElement.lang = this.lang === "zh" ? "zh-Hans" : this.lang;
    // The values choose the tensor that others show.
    const views = [Values, StageMap, Tree, SourceView, TensorView, PictureView, Commentary, TimelineView];
    this.views = views.map((View) => new View(this));
    const [values, map, tree, source, tensor, picture, commentary, line] = this.views;
    Object.assign(this, { tree, tensorView: tensor, picture, line });
    this.help = this.helpDialog();
    this.message = el("p.message", { role: "status" });
    this.columns = el("main.columns", { "data-tab": "source" }, tree.element,
      el("div.middle", source.element, commentary.element), el("div.right", values.element, this.lowerPart()));
    const notices = this.rec.data.labels.notices.map(([kind, texts]) => el(`p.notice${kind}`, this.local(texts)));
    fill(this.root, this.header(), map.element, notices, this.tabs(), this.columns, line.element, this.message, this.help);
    this.refresh();
  }

  header() {
    const { say, rec: { data: { labels } } } = this;
    const tool = (text, key, onclick, names = "") => el(`button.tool${names}`, { hint: say(key), onclick }, text);
    return el("header.top", el("h1", this.local(labels.title)), el("p.facts.quiet", this.local(labels.facts)),
      tool(say("language"), "language_hint", () => this.setLanguage(), ".language"),
      tool("◐", "scheme", () => this.setScheme()), tool("?", "help", () => this.help.showModal()));
  }

  /** Beneath the values: the tensor at hand or the picture. */
  lowerPart() {
    const panels = { tensor: this.tensorView, ...(this.picture.empty ? {} : { picture: this.picture }) };
    const tabs = Object.entries(panels).map(([name, { element }]) => {
      const id = `tab-${name}`;
      element.setAttribute("role", "tabpanel");
      element.setAttribute("aria-labelledby", id);
      return el("button", { role: "tab", id, onclick: () => choose(name) }, this.say(name));
    });
    const lower = el("div.lower", el("div.lower-tabs", el("div", { role: "tablist", label: this.say("tensor") }, tabs),
      el("button.enlarge.quiet", { hint: this.say("enlarge"), onclick: () => this.enlarge() }, "⤢")),
    Object.values(panels).map((view) => view.element));
    const choose = (name) => {
      this.lower = lower.dataset.shown = name;
      for (const tab of tabs) tab.setAttribute("aria-selected", tab.id === `tab-${name}`);
      this.drawSoon();
    };
    choose(panels[this.lower] ? this.lower : "tensor");
    return lower;
  }

  enlarge() {
    this.columns.classList.toggle("large");
    this.redraw();
  }

  /** On a small screen one panel is shown at a time. */
  tabs() {
    const choose = (tab, { target }) => {
      this.columns.dataset.tab = tab;
      for (const other of tabs) other.toggleAttribute("aria-current", other === target);
      this.refresh();
    };
    const tabs = TABS.map(([tab, key]) => el("button", {
      "aria-current": tab === "source", onclick: (event) => choose(tab, event) }, this.say(key)));
    return el("nav.tabs", { label: this.say("tree") }, tabs);
  }

  helpDialog() {
    const { say, rec } = this;
    const facts = [...Object.entries(rec.environment), ["seconds", `${num(rec.seconds)} s`]];
    const dialog = el("dialog.help", { "aria-labelledby": "help-title" },
      el("h2", { id: "help-title" }, say("keys_title")),
      terms("keys", KEYS_SHOWN.map(([names, key]) => [names.split("  ").map((name) => el("kbd", name)), say(key)])),
      el("p", say("about")), el("h2", say("notes")), terms("about", facts), rec.notes.map((note) => el("p", note)),
      el("button.tool", { hint: say("close"), onclick: () => dialog.close() }, say("close")));
    return dialog;
  }

  stageInk(stage) {
    return `stage-${this.stageNumber.get(stage)}`;
  }

  stageStyle(stage) {
    return this.stageNumber.has(stage) ? { "--stage": `var(--${this.stageInk(stage)})` } : {};
  }

  // --- state ---

  /** Show what the cursor stands at: first all is written, then what needs the layout is done. */
  refresh() {
    for (const view of this.views) view.update();
    for (const view of this.views) view.settle?.();
    this.drawSoon();
    // The browser takes long over its address bar, and counts how often it is asked.
    clearTimeout(this.writing);
    this.writing = setTimeout(() => this.writeAddress(), 250);
  }

  /** Pictures are drawn with the screen's next one, once however many steps are made until then. */
  drawSoon() {
    this.drawing ??= requestAnimationFrame(() => this.draw());
  }

  /** The same, all of it anew: colours or sizes are others. */
  redraw() {
    this.tensorView.shown = null;
    this.drawSoon();
  }

  draw() {
    cancelAnimationFrame(this.drawing);
    this.drawing = null;
    (this.lower === "tensor" ? this.tensorView : this.picture).draw();
  }

  address() {
    return toAddress(this);
  }

  writeAddress() {
    try {
      history.replaceState(null, "", this.address());
    } catch {
      // a frame without an address of its own
    }
  }

  follow(hash) {
    fromAddress(this, hash);
  }

  go(tick) {
    this.cursor.goto(tick);
    this.refresh();
  }

  select(index) {
    this.cursor.selected = index;
    this.refresh();
  }

  /** Show a tensor state, until the next step. */
  pick(state) {
    Object.assign(this, { tensor: state, automatic: false });
    this.refresh();
    this.automatic = true;
    this.tensorView.pin.checked = false;
  }

  // --- moving ---

  move(name) {
    const stop = MOVES[name](this.cursor);
    this.tell(stop?.text ? this.say("stopped", stop) : "");
    this.refresh();
    return stop;
  }

  /** Carry out a typed command, and say what it answers. */
  obey(line, aloud = true) {
    try {
      const answer = command(this.cursor, line);
      this.tell(aloud ? answer : "");
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.tell(this.say(error.key, error.values));
    }
    this.refresh();
  }

  tell(text) {
    this.message.textContent = visible(text);
  }

  toggleBreakpoint({ file, line }) {
    const there = this.cursor.breakpointAt(file, line);
    if (!there) this.obey(`b ${file}:${line}`, false);
    else {
      this.cursor.breakpoints.delete(there.number);
      this.refresh();
    }
  }

  showOps(shown) {
    this.cursor.ops = shown;
    this.refresh();
  }

  togglePlay(on = !this.playing) {
    clearInterval(this.playing);
    this.playing = on ? setInterval(() => this.tickOn(), 1000 / this.pace) : null;
    this.line.playing(on);
  }

  tickOn() {
    if (this.move("into") || this.cursor.tick === this.cursor.last) this.togglePlay(false);
  }

  setPace(pace) {
    this.pace = pace;
    this.togglePlay(Boolean(this.playing));
  }

  // --- language and colours ---

  setLanguage(lang = this.lang === "en" ? "zh" : "en") {
    this.togglePlay(false);
    this.lang = this.memory["tracer-lang"] = lang;
    this.build();
    this.root.querySelector(".language").focus();
  }

  applyScheme() {
    document.documentElement.dataset.scheme = this.scheme ?? (dark.matches ? "dark" : "light");
  }

  setScheme() {
    const { scheme } = document.documentElement.dataset;
    this.scheme = this.memory["tracer-scheme"] = scheme === "dark" ? "light" : "dark";
    this.applyScheme();
    this.line.draw();
    this.redraw();
  }

  // --- keys ---

  key(event) {
    const { key, target: { tagName, type } } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || this.help.open) return;
    if (["SELECT", "TEXTAREA"].includes(tagName) || (tagName === "INPUT" && !["range", "checkbox"].includes(type))) return;
    const onButton = key === " " && ["BUTTON", "SUMMARY", "INPUT"].includes(tagName);
    if (!Object.hasOwn(KEYS, key) || onButton) return;
    event.preventDefault();
    if (this.playing && key !== " ") this.togglePlay(false);
    if (typeof KEYS[key] === "string") this.move(KEYS[key]);
    else KEYS[key](this);
  }
}

/** What the buttons and keys do to the cursor; a breakpoint that it stops at is returned. */
const MOVES = {
  first: (cursor) => cursor.goto(cursor.first),
  last: (cursor) => cursor.goto(cursor.last),
  back: (cursor) => cursor.over(-1),
  forward: (cursor) => cursor.over(),
  into: (cursor) => cursor.into(),
  back_into: (cursor) => cursor.into(-1),
  out: (cursor) => cursor.out(),
  back_out: (cursor) => cursor.out(-1),
  stage_back: (cursor) => { cursor.toStage(-1); },
  stage_on: (cursor) => { cursor.toStage(); },
  go_on: (cursor) => cursor.on(),
  go_back: (cursor) => cursor.on(-1),
};

const KEYS = {
  ArrowLeft: "back", ArrowRight: "forward", Home: "first", End: "last", "[": "stage_back", "]": "stage_on",
  s: "into", S: "back_into", o: "out", O: "back_out", c: "go_on", C: "go_back",
  " ": (page) => page.togglePlay(),
  b: (page) => { if (page.cursor.place) page.toggleBreakpoint(page.cursor.place); },
  ":": (page) => page.line.command.focus(),
  "/": (page) => page.tree.search.focus(),
  "?": (page) => page.help.showModal(),
};

const KEYS_SHOWN = [
  ["←  →", "key_line"], ["s  S", "key_into"], ["o  O", "key_out"], ["[  ]", "key_stage"], ["Home  End", "key_ends"],
  ["Space", "key_play"], ["b", "key_break"], ["c  C", "key_run"], ["/", "key_search"], [":", "key_command"], ["?", "key_help"],
];

/** What the browser remembers between visits, where it does; a frame of its own has no storage. */
function storage() {
  try {
    return localStorage;
  } catch {
    return {};
  }
}

async function start() {
  const root = document.getElementById("app");
  const complain = (id) => { root.replaceChildren(document.getElementById(id)); root.firstChild.hidden = false; };
  if (typeof DecompressionStream === "undefined") {
    complain("too-old");
    return;
  }
  try {
    const rec = await unpack(document.getElementById("recording").textContent.trim());
    globalThis.tracerPage = new Page(rec, root);
    document.documentElement.dataset.ready = Math.round(performance.now());
  } catch (error) {
    complain("damaged");
    throw error;
  }
}

start();
