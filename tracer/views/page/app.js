// The page: puts the views together, moves the cursor, keeps the address and the keys.
import { button, el, terms, visible } from "./dom.js";
import { product, unpack } from "./record.js";
import { command } from "./commands.js";
import { Refused } from "./evaluate.js";
import { Cursor, Timeline } from "./stepper.js";
import { LANGUAGES, big, count, num } from "./text.js";
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
const dark = matchMedia("(prefers-color-scheme: dark)");

class Page {
  constructor(rec, root) {
    this.rec = rec;
    this.root = root;
    this.timeline = new Timeline(rec);
    this.cursor = new Cursor(rec, this.timeline);
    this.lang = remembered("lang", LANGUAGES) ?? rec.data.lang;
    this.scheme = remembered("scheme", ["light", "dark"]);
    this.pace = 4;
    this.tensor = null; // the state at hand
    this.automatic = true; // whether it follows the steps
    this.lower = "tensor";
    this.stageNumber = new Map(rec.stages.map((stage, i) => [stage.name, i % COLOURS]));
    this.applyScheme();
    if (rec.data.at != null) this.cursor.goto(rec.data.at);
    this.follow(location.hash);
    this.build();
    dark.addEventListener("change", () => this.applyScheme());
    addEventListener("hashchange", () => { this.follow(location.hash); this.refresh(); });
    document.addEventListener("keydown", (event) => this.key(event));
  }

  /** What the page says for a key, its {names} filled in. */
  say = (key, values = {}) => this.rec.data.texts[key][LANGUAGES.indexOf(this.lang)]
    .replace(/\{(\w+)\}/g, (_, name) => String(values[name]));

  describe = (position) => describe(this, position);

  /** A part of the page with a name of its own. */
  panel(names, key, ...children) {
    return el("section", { class: `panel ${names}`, "aria-label": this.say(key) }, ...children);
  }

  nothing(key, tag = "p") {
    return el(tag, { class: "nothing quiet", text: this.say(key) });
  }

  // --- building ---

  build() {
    document.documentElement.lang = this.lang === "zh" ? "zh-Hans" : this.lang;
    this.source = new SourceView(this);
    this.tree = new Tree(this);
    this.values = new Values(this);
    this.tensorView = new TensorView(this);
    this.commentary = new Commentary(this);
    this.map = new StageMap(this);
    this.line = new TimelineView(this);
    this.picture = new PictureView(this);
    this.help = this.helpDialog();
    this.message = el("p", { class: "message", role: "status" });
    // The values choose the tensor that others show.
    this.views = [this.values, this.map, this.tree, this.source, this.tensorView, this.picture, this.commentary, this.line];
    this.columns = el("main", { class: "columns", "data-tab": "source" }, this.tree.element,
      el("div", { class: "middle" }, this.source.element, this.commentary.element),
      el("div", { class: "right" }, this.values.element, this.lowerPart()));
    this.root.replaceChildren(this.header(), this.map.element, ...this.notices(), this.tabs(), this.columns,
      this.line.element, this.message, this.help);
    this.refresh();
  }

  header() {
    const { environment, subject, kind, calls, parameters } = this.rec;
    const weights = parameters.reduce((sum, row) => sum + product(row[1]), 0);
    const facts = [
      environment.torchvision && `torchvision ${environment.torchvision.split("+")[0]}`,
      kind === "pass" && environment.mode && this.say(`mode_${environment.mode}`),
      environment.device, this.say("calls", { n: count(calls.length) }),
      weights && this.say("params", { n: big(weights) }),
    ];
    return el("header", { class: "top" },
      el("h1", { text: visible(environment.title || this.say(`title_${kind}`, { subject })) }),
      el("p", { class: "facts quiet", text: facts.filter(Boolean).map(visible).join(" · ") }),
      button(this.say("language"), this.say("language_hint"), () => this.setLanguage(), { class: "tool language" }),
      button("◐", this.say("scheme"), () => this.setScheme(), { class: "tool" }),
      button("?", this.say("help"), () => this.help.showModal(), { class: "tool" }));
  }

  notices() {
    const { error, data: { left_out: left } } = this.rec;
    const what = left.map((key) => this.say(`left_${key}`)).join(this.lang === "zh" ? "、" : ", ");
    return [error && el("p", { class: "notice error", text: visible(this.say("failed", error)) }),
      what && el("p", { class: "notice", text: this.say("left_out", { what }) })].filter(Boolean);
  }

  /** Beneath the values: the tensor at hand or the picture. */
  lowerPart() {
    const panels = { tensor: this.tensorView, ...(this.picture.empty ? {} : { picture: this.picture }) };
    const tabs = Object.entries(panels).map(([name, view]) => {
      view.element.setAttribute("role", "tabpanel");
      view.element.setAttribute("aria-labelledby", `tab-${name}`);
      return el("button", { type: "button", role: "tab", id: `tab-${name}`, text: this.say(name), onclick: () => choose(name) });
    });
    const lower = el("div", { class: "lower" }, el("div", { class: "lower-tabs" },
      el("div", { role: "tablist", "aria-label": this.say("tensor") }, ...tabs),
      button("⤢", this.say("enlarge"), () => this.enlarge(), { class: "enlarge quiet" })),
    ...Object.values(panels).map((view) => view.element));
    const choose = (name) => {
      this.lower = lower.dataset.shown = name;
      for (const tab of tabs) tab.setAttribute("aria-selected", String(tab.id === `tab-${name}`));
      this.drawSoon();
    };
    choose(panels[this.lower] ? this.lower : "tensor");
    return lower;
  }

  enlarge() {
    this.columns.classList.toggle("large");
    this.tensorView.shown = null;
    this.drawSoon();
  }

  /** On a small screen one panel is shown at a time. */
  tabs() {
    const choose = (tab, chosen) => {
      this.columns.dataset.tab = tab;
      for (const other of tabs) other.toggleAttribute("aria-current", other === chosen);
      this.refresh();
    };
    const tabs = [["calls", "tree"], ["source", "source"], ["values", "values"], ["commentary", "commentary"]]
      .map(([tab, key]) => el("button", {
        type: "button", text: this.say(key), "aria-current": tab === "source", onclick: (event) => choose(tab, event.target),
      }));
    return el("nav", { class: "tabs", "aria-label": this.say("tree") }, ...tabs);
  }

  helpDialog() {
    const { say, rec } = this;
    const facts = [...Object.entries(rec.environment), ["seconds", `${num(rec.seconds)} s`]];
    const kbd = (name) => el("kbd", { text: name });
    const dialog = el("dialog", { class: "help", "aria-labelledby": "help-title" },
      el("h2", { id: "help-title", text: say("keys_title") }),
      terms("keys", KEYS_SHOWN.map(([names, key]) => [names.split("  ").map(kbd), say(key)])),
      el("p", { text: say("about") }),
      el("h2", { text: say("notes") }),
      terms("about", facts.map((row) => row.map(visible))),
      ...rec.notes.map((note) => el("p", { text: visible(note) })),
      button(say("close"), say("close"), () => dialog.close(), { class: "tool" }));
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

  draw() {
    cancelAnimationFrame(this.drawing);
    this.drawing = null;
    if (this.lower === "tensor") this.tensorView.draw();
    else this.picture.draw();
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
    this.tensor = state;
    this.automatic = false;
    this.refresh();
    this.automatic = true;
    this.tensorView.pin.checked = false;
  }

  // --- moving ---

  move(name) {
    const stop = MOVES[name](this.cursor);
    this.tell(stop?.text ? this.say("stopped", { text: stop.text }) : "");
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

  toggleBreakpoint(file, line) {
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

  togglePlay() {
    if (this.playing) {
      clearInterval(this.playing);
      this.playing = null;
    } else this.playing = setInterval(() => this.tickOn(), 1000 / this.pace);
    this.line.playing(Boolean(this.playing));
  }

  tickOn() {
    if (this.move("into") || this.cursor.tick === this.cursor.last) this.stop();
  }

  stop() {
    if (this.playing) this.togglePlay();
  }

  setPace(pace) {
    const playing = this.playing;
    this.stop();
    this.pace = pace;
    if (playing) this.togglePlay();
  }

  // --- language and colours ---

  setLanguage(lang = this.lang === "en" ? "zh" : "en") {
    this.stop();
    this.lang = lang;
    remember("lang", lang);
    this.build();
    this.root.querySelector(".language").focus();
  }

  applyScheme() {
    document.documentElement.dataset.scheme = this.scheme ?? (dark.matches ? "dark" : "light");
  }

  setScheme() {
    this.scheme = document.documentElement.dataset.scheme === "dark" ? "light" : "dark";
    remember("scheme", this.scheme);
    this.applyScheme();
    this.line.draw();
    this.tensorView.shown = null;
    this.drawSoon();
  }

  // --- keys ---

  key(event) {
    const { key, target: { tagName, type } } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || this.help.open) return;
    if (["SELECT", "TEXTAREA"].includes(tagName) || (tagName === "INPUT" && !["range", "checkbox"].includes(type))) return;
    const onButton = key === " " && ["BUTTON", "SUMMARY", "INPUT"].includes(tagName);
    if (!Object.hasOwn(KEYS, key) || onButton) return;
    event.preventDefault();
    if (key !== " ") this.stop();
    if (typeof KEYS[key] === "string") this.move(KEYS[key]);
    else KEYS[key](this);
  }
}

/** What the buttons and keys do to the cursor; a breakpoint that it stops at is returned. */
const MOVES = {
  first: (cursor) => cursor.goto(cursor.first),
  last: (cursor) => cursor.goto(cursor.last),
  back: (cursor) => cursor.backOver(),
  forward: (cursor) => cursor.over(),
  into: (cursor) => cursor.into(),
  back_into: (cursor) => cursor.backInto(),
  out: (cursor) => cursor.out(),
  back_out: (cursor) => cursor.backOut(),
  stage_back: (cursor) => { cursor.toStage(-1); },
  stage_on: (cursor) => { cursor.toStage(1); },
  go_on: (cursor) => cursor.on(),
  go_back: (cursor) => cursor.backOn(),
};

const KEYS = {
  ArrowLeft: "back", ArrowRight: "forward", Home: "first", End: "last", "[": "stage_back", "]": "stage_on",
  s: "into", S: "back_into", o: "out", O: "back_out", c: "go_on", C: "go_back",
  " ": (page) => page.togglePlay(),
  b: (page) => { const { place } = page.cursor; if (place) page.toggleBreakpoint(place.file, place.line); },
  ":": (page) => page.line.command.focus(),
  "/": (page) => page.tree.search.focus(),
  "?": (page) => page.help.showModal(),
};

const KEYS_SHOWN = [
  ["←  →", "key_line"], ["s  S", "key_into"], ["o  O", "key_out"], ["[  ]", "key_stage"], ["Home  End", "key_ends"],
  ["Space", "key_play"], ["b", "key_break"], ["c  C", "key_run"], ["/", "key_search"], [":", "key_command"], ["?", "key_help"],
];

// --- what the browser remembers between visits, where it does; a frame of its own has no storage ---

function remember(name, value) {
  try {
    localStorage.setItem(`tracer-${name}`, value);
  } catch {
    // then not
  }
}

function remembered(name, allowed) {
  try {
    return allowed.find((value) => value === localStorage.getItem(`tracer-${name}`)) ?? null;
  } catch {
    return null;
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
