// Middle: the source that ran, with the line at hand, what changed beside it, and breakpoints.
import { el, visible } from "./dom.js";
import { sourceLines } from "./record.js";
import { reveal } from "./tree.js";
import { brief, callName, clip, count } from "./text.js";

const KINDS = ["", "k", "s", "c", "n", "f", "d", "b", "o"]; // as in highlight.py
const CHUNK = 40; // lines that the browser lays out together

export class SourceView {
  constructor(page) {
    this.page = page;
    this.files = new Map();
    this.ran = countRuns(page.rec);
    this.stack = el("nav", { class: "stack", "aria-label": page.say("stack") });
    this.code = el("div", {
      class: "code", tabindex: "0", role: "group", "aria-label": page.say("source"),
      onclick: (event) => this.clicked(event),
    });
    this.element = el("section", { class: "panel source", "aria-label": page.say("source") },
      this.stack, this.code);
  }

  update() {
    const { page } = this;
    const place = page.cursor.place;
    this.drawStack();
    this.clear();
    const file = place && page.rec.sources.has(place.file) ? this.file(place.file) : null;
    if (this.shown !== file) {
      this.code.replaceChildren(file?.element ?? el("p", { class: "empty", text: page.say("no_source") }));
      this.shown = file;
    }
    this.place = place;
    if (file) this.mark(file, place);
  }

  drawStack() {
    const { cursor } = this.page;
    const stack = cursor.stack;
    const entries = stack.map((call, i) => el("li", {},
      el("button", {
        type: "button", title: visible(call.label), style: this.page.stageStyle(call.stage),
        "aria-current": i === cursor.selected ? "true" : null, text: clip(this.short(call), 48),
        onclick: () => this.page.select(i),
      })));
    this.stack.replaceChildren(el("ol", {}, ...entries.reverse()));
    this.stack.scrollLeft = this.stack.scrollWidth;
  }

  short(call) {
    if (call.kind !== "module") return callName(call).split(".").slice(-1)[0];
    return call.path ? callName(call).split(".").slice(-2).join(".") : visible(call.type);
  }

  /** The element of a source file, built when it is first shown. */
  file(name) {
    if (!this.files.has(name)) this.files.set(name, this.build(name));
    return this.files.get(name);
  }

  build(name) {
    const { text, package: from } = this.page.rec.sources.get(name);
    const runs = this.page.rec.data.tokens[name] ?? [0, text.length];
    const element = el("div", { class: "file" });
    element.append(el("p", { class: "file-name", text: visible(from ? `${name} · ${from}` : name) }));
    const lines = [];
    let chunk = null;
    for (const parts of coloured(text, runs)) {
      const n = lines.length + 1;
      if (lines.length % CHUNK === 0) element.append(chunk = el("div", { class: "chunk" }));
      const line = this.line(n, parts, this.ran.get(`${name}:${n}`) ?? 0);
      lines.push(line);
      chunk.append(line);
    }
    return { name, element, lines, texts: sourceLines(this.page.rec, name) };
  }

  line(n, parts, times) {
    const { page } = this;
    const title = times ? page.say(times > 1 ? "ran_times" : "ran_once", { n: count(times) }) : page.say("no_break");
    return el("div", { class: times ? "line ran" : "line", "data-line": n },
      el("span", { class: "gutter", title },
        el("span", { class: "times", text: times > 1 ? `${times}×` : "" }),
        el("span", { class: "number", text: n })),
      el("code", {}, ...parts.map(([kind, text]) => (kind ? el("span", { class: kind, text }) : text))));
  }

  clear() {
    for (const [line, names] of this.marked ?? []) line.classList.remove(...names);
    for (const note of this.notes ?? []) note.remove();
    this.marked = [];
    this.notes = [];
  }

  put(line, ...names) {
    if (!line) return;
    line.classList.add(...names);
    this.marked.push([line, names]);
  }

  mark(file, place) {
    const { cursor, timeline } = this.page;
    const { call } = cursor;
    const here = file.lines[place.line - 1];
    const kind = cursor.selected === 0 ? cursor.position.kind : "line";
    this.put(here, "here", `at-${kind}`);
    here?.setAttribute("aria-current", "step");
    this.previous?.removeAttribute("aria-current");
    this.previous = here;
    const range = call.source?.file === file.name ? block(file.texts, call.source.line) : null;
    file.element.classList.toggle("focused", range !== null);
    this.markFunction(file, range);
    if (range) this.beside(file, call, timeline, cursor.tick);
    this.markBreakpoints(file);
    if (here) reveal(this.code, here);
  }

  /** Mark the lines of the function at hand; most steps stay in it. */
  markFunction(file, range) {
    const key = range ? `${file.name}:${range}` : "";
    if (key === this.inside) return;
    for (const line of this.functionLines ?? []) line.classList.remove("inside");
    this.functionLines = range ? file.lines.slice(range[0] - 1, range[1]) : [];
    for (const line of this.functionLines) line.classList.add("inside");
    this.inside = key;
  }

  markBreakpoints(file) {
    for (const { location, enabled } of this.page.cursor.breakpoints.values()) {
      if (location.kind === "line" && location.name === file.name) {
        this.put(file.lines[location.line - 1], enabled ? "breakpoint" : "breakpoint-off");
      }
    }
  }

  /** Beside each line of the call that has run: what it changed last. */
  beside(file, call, timeline, tick) {
    const latest = new Map();
    const lines = timeline.lines(call);
    lines.forEach((line, i) => {
      const known = lines[i + 1]?.tick ?? call.end;
      if (known <= tick) latest.set(line.line, line);
    });
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
    if (line.raised) parts.push(visible(line.raised));
    return clip(parts.join("  "), 150);
  }

  clicked(event) {
    const line = event.target.closest(".gutter")?.parentElement;
    if (line && this.shown) this.page.toggleBreakpoint(this.shown.name, Number(line.dataset.line));
  }
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
    const file = rec.calls[call].source?.file;
    const key = `${file}:${line}`;
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
