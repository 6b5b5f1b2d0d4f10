// Middle: the source that ran, with the line at hand, what changed beside it, and breakpoints.
import { el, reveal, visible } from "./dom.js";
import { sourceLines } from "./record.js";
import { brief, callName, clip } from "./text.js";

const KINDS = ["", "k", "s", "c", "n", "f", "d", "b", "o"]; // as in highlight.py
const CHUNK = 40; // lines that the browser lays out together

const whenIdle = globalThis.requestIdleCallback
  ?? ((act) => setTimeout(() => act({ timeRemaining: () => 10 }), 100));

export class SourceView {
  constructor(page) {
    this.page = page;
    this.files = new Map();
    this.ran = countRuns(page.rec);
    this.marked = []; // lines with the classes that they were given for this step
    this.notes = [];
    this.list = el("ol");
    this.stack = el("nav", { class: "stack", "aria-label": page.say("stack") }, this.list);
    this.code = el("div", {
      class: "code", tabindex: "0", role: "group", "aria-label": page.say("source"), onclick: (event) => this.clicked(event),
    });
    this.element = page.panel("source", "source", this.stack, this.code);
    // Below the fold of a notebook the panel has no size yet, and nothing can be scrolled in it.
    new ResizeObserver(() => requestAnimationFrame(() => this.settle())).observe(this.code);
    const names = [...page.rec.sources.keys()];
    const ahead = (idle) => {
      while (names.length && idle.timeRemaining() > 4) if (this.file(names[0]).more()) names.shift();
      if (names.length && this.element.isConnected) whenIdle(ahead);
    };
    whenIdle(ahead);
  }

  update() {
    const { page } = this;
    const place = page.cursor.place;
    this.drawStack();
    for (const [line, names] of this.marked) line.classList.remove(...names);
    for (const note of this.notes) note.remove();
    [this.marked, this.notes, this.here] = [[], [], null];
    const file = place && page.rec.sources.has(place.file) ? this.file(place.file) : null;
    while (file && !file.more());
    if (this.shown !== file || !file) this.code.replaceChildren(file?.element ?? page.nothing("no_source"));
    this.shown = file;
    if (file) this.mark(file, place);
  }

  settle() {
    this.stack.scrollLeft = 1e6;
    if (this.here) reveal(this.code, this.here);
  }

  drawStack() {
    const { page } = this;
    const { stack, selected } = page.cursor;
    const key = `${stack[0].id} ${selected}`;
    if (this.stacked === key) return;
    this.stacked = key;
    this.list.replaceChildren(...stack.map((call, i) => el("li", {}, el("button", {
      type: "button", title: visible(call.label), style: page.stageStyle(call.stage), text: clip(shortName(call), 48),
      "aria-current": i === selected ? "true" : null, onclick: () => page.select(i),
    }))).reverse());
  }

  /** A source file {name, element, lines}; `more` builds some of it and says whether all is there. */
  file(name) {
    if (!this.files.has(name)) this.files.set(name, this.build(name));
    return this.files.get(name);
  }

  build(name) {
    const { text, package: from } = this.page.rec.sources.get(name);
    const parts = coloured(text, this.page.rec.data.tokens[name] ?? [0, text.length]);
    const lines = [];
    const element = el("div", { class: "file" },
      el("p", { class: "file-name quiet", text: visible(from ? `${name} · ${from}` : name) }));
    const more = () => {
      const chunk = el("div", { class: "chunk" });
      for (let i = 0; i < CHUNK; i++) {
        const { done, value } = parts.next();
        if (done) break;
        const n = lines.length + 1;
        lines.push(codeLine(n, value, this.ran.get(`${name}:${n}`) ?? 0));
        chunk.append(lines.at(-1));
      }
      if (chunk.firstChild) element.append(chunk);
      return chunk.childElementCount < CHUNK;
    };
    return { name, element, lines, more };
  }

  put(line, ...names) {
    line?.classList.add(...names);
    if (line) this.marked.push([line, names]);
  }

  mark(file, place) {
    const { cursor } = this.page;
    const { call } = cursor;
    this.here = file.lines[place.line - 1];
    this.put(this.here, "here", `at-${cursor.selected === 0 ? cursor.position.kind : "line"}`);
    this.previous?.removeAttribute("aria-current");
    this.here?.setAttribute("aria-current", "step");
    this.previous = this.here;
    const own = call.source?.file === file.name;
    file.element.classList.toggle("focused", own);
    this.markFunction(file, own ? block(sourceLines(this.page.rec, file.name), call.source.line) : null);
    if (own) this.beside(file, call, cursor.tick);
    for (const { location, enabled } of cursor.breakpoints.values()) {
      if (location.kind === "line" && location.name === file.name) {
        this.put(file.lines[location.line - 1], enabled ? "breakpoint" : "breakpoint-off");
      }
    }
  }

  /** Mark the lines of the function at hand; most steps stay in it. */
  markFunction(file, range) {
    const key = range && `${file.name}:${range}`;
    if (key === this.inside) return;
    for (const line of this.functionLines ?? []) line.classList.remove("inside");
    this.functionLines = range ? file.lines.slice(range[0] - 1, range[1]) : [];
    for (const line of this.functionLines) line.classList.add("inside");
    this.inside = key;
  }

  /** Beside each line of the call that has run: what it changed last. */
  beside(file, call, tick) {
    const { timeline } = this.page;
    const latest = new Map();
    for (const [line, known] of timeline.known(call)) if (known <= tick) latest.set(line.line, line);
    const fresh = timeline.finishedLine({ call, tick });
    for (const [n, line] of latest) {
      const text = this.effect(line);
      if (!text || !file.lines[n - 1]) continue;
      const note = el("span", { class: line === fresh ? "effect fresh" : "effect", text });
      file.lines[n - 1].append(note);
      this.notes.push(note);
    }
  }

  effect(line) {
    const parts = line.changed.filter(([, value]) => value.kind !== "module").slice(0, 4)
      .map(([name, value]) => `${visible(name)} = ${brief(this.page.rec, value, 44)}`);
    return clip([...parts, visible(line.raised)].filter(Boolean).join("  "), 150);
  }

  clicked(event) {
    const gutter = event.target.closest(".gutter");
    if (gutter && this.shown) this.page.toggleBreakpoint(this.shown.name, Number(gutter.dataset.line));
  }
}

/** A line of code; how often it ran and its number are drawn by the style, beside it. */
function codeLine(n, parts, times) {
  const gutter = el("span", { class: "gutter", "data-line": n, "data-times": times > 1 ? `${times}×` : "" });
  const code = el("code", {}, ...parts.map(([kind, text]) => (kind ? el("span", { class: kind, text }) : text)));
  return el("div", { class: times ? "line ran" : "line" }, gutter, code);
}

function shortName(call) {
  if (call.kind === "module" && !call.path) return visible(call.type);
  return callName(call).split(".").slice(call.kind === "module" ? -2 : -1).join(".");
}

/** Split a file's coloured runs into lines of [class, text] parts. */
function* coloured(text, runs) {
  let parts = [];
  let at = 0;
  for (let i = 0; i < runs.length; i += 2) {
    const pieces = text.slice(at, at + runs[i + 1]).split("\n");
    at += runs[i + 1];
    for (const [j, piece] of pieces.entries()) {
      if (j > 0) {
        yield parts;
        parts = [];
      }
      if (piece) parts.push([KINDS[runs[i]], visible(piece)]);
    }
  }
  yield parts;
}

/** How often each line ran in the whole recording, by "file:line". */
function countRuns(rec) {
  const found = new Map();
  for (const { call, line } of rec.lines) {
    const key = `${rec.calls[call].source?.file}:${line}`;
    found.set(key, (found.get(key) ?? 0) + 1);
  }
  return found;
}

/** First and last line of the function whose `def` is at `start`, by its indentation. */
export function block(lines, start) {
  const indent = (text) => text.length - text.trimStart().length;
  const own = indent(lines[start - 1] ?? "");
  let last = start;
  for (let n = start + 1; n <= lines.length; n++) {
    const text = lines[n - 1];
    if (!text.trim()) continue;
    if (indent(text) <= own && !/^\s*[)\]#]/.test(text)) break;
    last = n;
  }
  return [start, last];
}
