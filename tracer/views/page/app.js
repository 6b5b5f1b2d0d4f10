// The page: puts the views together, moves the cursor, keeps the address and the keys.
import { button, colour, el, visible } from "./dom.js";
import { tensorsOf, unpack } from "./record.js";
import { command } from "./commands.js";
import { Refused } from "./evaluate.js";
import { Cursor, Timeline } from "./stepper.js";
import { LANGUAGES, say } from "./strings.js";
import { big, count } from "./text.js";
import { Tree } from "./tree.js";
import { SourceView } from "./source.js";
import { Values } from "./values.js";
import { TensorView } from "./tensor.js";
import { Commentary } from "./told.js";
import { StageMap } from "./map.js";
import { PictureView } from "./scene.js";
import { describe, TimelineView } from "./timeline.js";
import { helpDialog } from "./help.js";
import { fromAddress, toAddress } from "./address.js";
import { remember, remembered } from "./storage.js";

const COLOURS = 10; // of stages, in page.css

class Page {
  constructor(rec, root) {
    this.rec = rec;
    this.root = root;
    this.timeline = new Timeline(rec);
    this.cursor = new Cursor(rec, this.timeline);
    this.lang = remembered("lang", LANGUAGES) ?? rec.data.lang;
    this.scheme = remembered("scheme", ["light", "dark"]);
    this.pace = 4;
    this.tensor = null;
    this.automatic = true;
    this.stageNumber = new Map(rec.stages.map((stage, i) => [stage.name, i % COLOURS]));
    this.say = (key, values) => say(this.lang, key, values);
    this.describe = (position) => describe(this, position);
    this.applyScheme();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.applyScheme());
    if (rec.data.at != null) this.cursor.goto(rec.data.at);
    this.follow(location.hash);
    this.build();
    addEventListener("hashchange", () => { if (location.hash !== this.written) { this.follow(location.hash); this.refresh(); } });
    document.addEventListener("keydown", (event) => this.key(event));
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
    this.help = helpDialog(this);
    this.message = el("p", { class: "message", role: "status" });
    this.picture = new PictureView(this);
    this.views = [this.map, this.tree, this.source, this.values, this.tensorView, this.picture, this.commentary, this.line];
    this.columns = el("main", { class: "columns", "data-tab": "source" },
      this.tree.element,
      el("div", { class: "middle" }, this.source.element, this.commentary.element),
      this.right());
    this.root.replaceChildren(this.header(), this.map.element, ...this.notices(), this.tabs(), this.columns,
      this.line.element, this.message, this.help);
    this.refresh();
  }

  header() {
    const { rec } = this;
    const { environment, subject, kind } = rec;
    const parameters = rec.parameters?.reduce((sum, row) => sum + row[1].reduce((a, b) => a * b, 1), 0);
    const facts = [
      environment.torchvision ? `torchvision ${environment.torchvision.split("+")[0]}` : "",
      kind === "pass" && environment.mode ? this.say(environment.mode === "train" ? "mode_train" : "mode_eval") : "",
      environment.device, this.say("calls", { n: count(rec.calls.length) }),
      parameters ? this.say("params", { n: big(parameters) }) : "",
    ].filter(Boolean).map(visible);
    const title = environment.title || this.say(kind === "construction" ? "title_construction" : "title_pass", { subject });
    return el("header", { class: "top" },
      el("h1", { text: visible(title) }),
      el("p", { class: "facts", text: facts.join(" · ") }),
      el("span", { class: "tools" },
        button(this.say("language"), this.say("language_hint"), () => this.setLanguage(), { class: "tool language" }),
        button("◐", this.say("scheme"), () => this.setScheme(), { class: "tool" }),
        button("?", this.say("help"), () => this.help.showModal(), { class: "tool" })));
  }

  notices() {
    const { rec } = this;
    const found = [];
    if (rec.error) {
      const { type, message } = rec.error;
      found.push(el("p", { class: "notice error", text: visible(this.say("failed", { type, message })) }));
    }
    if (rec.data.left_out.length) {
      const what = rec.data.left_out.map((key) => this.say(`left_${key}`)).join(this.lang === "zh" ? "、" : ", ");
      found.push(el("p", { class: "notice", text: this.say("left_out", { what }) }));
    }
    return found;
  }

  /** The values, and beneath them the tensor at hand or the picture. */
  right() {
    const lower = el("div", { class: "lower" });
    const choose = (name) => {
      this.lower = lower.dataset.shown = name;
      for (const tab of tabs.querySelectorAll("[role=tab]")) tab.setAttribute("aria-selected", String(tab.dataset.name === name));
      this.refresh?.();
      this.picture.draw();
    };
    const tab = (name) => el("button", {
      type: "button", role: "tab", "data-name": name, id: `tab-${name}`, text: this.say(name), onclick: () => choose(name),
    });
    const large = button("⤢", this.say("enlarge"), () => {
      this.columns.classList.toggle("large");
      this.tensorView.shown = null;
      this.refresh();
    }, { class: "enlarge" });
    const tabs = el("div", { class: "lower-tabs" }, el("div", { role: "tablist", "aria-label": this.say("tensor") },
      tab("tensor"), this.picture.empty ? null : tab("picture")), large);
    for (const [name, view] of [["tensor", this.tensorView], ["picture", this.picture]]) {
      view.element.setAttribute("role", "tabpanel");
      view.element.setAttribute("aria-labelledby", `tab-${name}`);
    }
    lower.append(tabs, this.tensorView.element, this.picture.element);
    lower.dataset.shown = this.lower ?? "tensor";
    tabs.querySelector(`[data-name="${lower.dataset.shown}"]`).setAttribute("aria-selected", "true");
    return el("div", { class: "right" }, this.values.element, lower);
  }

  /** On a small screen one panel is shown at a time. */
  tabs() {
    const names = [["calls", "tree"], ["source", "source"], ["values", "values"], ["commentary", "commentary"]];
    return el("nav", { class: "tabs", "aria-label": this.say("tree") }, ...names.map(([tab, key]) => el("button", {
      type: "button", text: this.say(key), "data-tab": tab, "aria-current": tab === "source" ? "true" : null,
      onclick: (event) => {
        this.columns.dataset.tab = tab;
        for (const other of event.target.parentElement.children) other.removeAttribute("aria-current");
        event.target.setAttribute("aria-current", "true");
        this.refresh();
      },
    })));
  }

  stageStyle(stage) {
    const number = this.stageNumber.get(stage);
    return number == null ? {} : { "--stage": `var(--stage-${number})` };
  }

  stageColour(stage) {
    return colour(`stage-${this.stageNumber.get(stage)}`);
  }

  // --- state ---

  /** Show what the cursor stands at. */
  refresh() {
    for (const view of this.views) view.update();
    this.values.press();
    this.written = toAddress(this);
    try {
      history.replaceState(null, "", this.written);
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

  /** Show a tensor state. */
  pick(state) {
    this.tensor = state;
    this.automatic = false;
    this.refresh();
    this.automatic = true;
    this.tensorView.pin.checked = false;
  }

  /** What the tensor that held a state holds at this moment. */
  current(state) {
    return this.timeline.current(state, this.cursor.tick);
  }

  /** The calls that take a tensor state as an argument, or within one. */
  uses(state) {
    if (!this.users) {
      this.users = new Map();
      for (const call of this.rec.calls) {
        for (const taken of new Set(tensorsOf(call.args))) {
          if (!this.users.has(taken)) this.users.set(taken, []);
          this.users.get(taken).push(call);
        }
      }
    }
    return this.users.get(state) ?? [];
  }

  // --- moving ---

  move(name) {
    const { cursor } = this;
    const moves = {
      first: () => cursor.goto(cursor.first),
      last: () => cursor.goto(cursor.last),
      back: () => cursor.backOver(),
      forward: () => cursor.over(),
      into: () => cursor.into(),
      back_into: () => cursor.backInto(),
      out: () => cursor.out(),
      back_out: () => cursor.backOut(),
      stage_back: () => { cursor.toStage(-1); },
      stage_on: () => { cursor.toStage(1); },
      go_on: () => cursor.on(),
      go_back: () => cursor.backOn(),
    };
    const stop = moves[name]();
    this.tell(stop ? this.say("stopped", { text: stop.text }) : "");
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
    if (there) this.cursor.breakpoints.delete(there.number);
    else this.obey(`b ${file}:${line}`, false);
    this.refresh();
  }

  showOps(shown) {
    this.cursor.ops = shown;
    this.refresh();
  }

  togglePlay() {
    if (this.playing) this.stop();
    else {
      this.playing = setInterval(() => this.tickOn(), 1000 / this.pace);
      this.line.playing(true);
    }
  }

  tickOn() {
    const before = this.cursor.tick;
    if (this.move("into") || this.cursor.tick === before || this.cursor.tick === this.cursor.last) this.stop();
  }

  stop() {
    clearInterval(this.playing);
    this.playing = null;
    this.line.playing(false);
  }

  setPace(pace) {
    this.pace = pace;
    if (this.playing) {
      this.stop();
      this.togglePlay();
    }
  }

  // --- language and colours ---

  setLanguage(lang = this.lang === "en" ? "zh" : "en") {
    this.lang = lang;
    remember("lang", lang);
    this.stop();
    this.build();
    this.root.querySelector(".language").focus();
  }

  applyScheme() {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.scheme = this.scheme ?? (dark ? "dark" : "light");
  }

  setScheme() {
    this.scheme = document.documentElement.dataset.scheme === "dark" ? "light" : "dark";
    remember("scheme", this.scheme);
    this.applyScheme();
    this.line.draw();
    this.tensorView.shown = null;
    this.refresh();
  }

  // --- keys ---

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.help.open) return;
    const { tagName, type } = event.target;
    const typing = tagName === "SELECT" || tagName === "TEXTAREA"
      || (tagName === "INPUT" && !["range", "checkbox"].includes(type));
    if (typing) return;
    const onButton = event.key === " " && ["BUTTON", "SUMMARY", "INPUT"].includes(tagName);
    const act = KEYS[event.key];
    if (!act || onButton) return;
    event.preventDefault();
    if (this.playing && event.key !== " ") this.stop();
    act(this);
  }
}

const KEYS = {
  ArrowLeft: (page) => page.move("back"),
  ArrowRight: (page) => page.move("forward"),
  Home: (page) => page.move("first"),
  End: (page) => page.move("last"),
  " ": (page) => page.togglePlay(),
  "[": (page) => page.move("stage_back"),
  "]": (page) => page.move("stage_on"),
  s: (page) => page.move("into"),
  S: (page) => page.move("back_into"),
  o: (page) => page.move("out"),
  O: (page) => page.move("back_out"),
  c: (page) => page.move("go_on"),
  C: (page) => page.move("go_back"),
  b: (page) => {
    const place = page.cursor.place;
    if (place) page.toggleBreakpoint(place.file, place.line);
  },
  ":": (page) => page.line.command.focus(),
  "/": (page) => page.tree.search.focus(),
  "?": (page) => page.help.showModal(),
};

async function start() {
  const root = document.getElementById("app");
  const lang = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
  const complain = (text) => root.replaceChildren(el("p", { class: "loading", role: "alert", text }));
  if (typeof DecompressionStream === "undefined") {
    complain(say(lang, "too_old"));
    return;
  }
  try {
    const rec = await unpack(document.getElementById("recording").textContent);
    globalThis.tracerPage = new Page(rec, root);
    document.documentElement.dataset.ready = Math.round(performance.now());
  } catch (error) {
    complain(say(lang, "damaged", { message: error.message }));
    throw error;
  }
}

start();

