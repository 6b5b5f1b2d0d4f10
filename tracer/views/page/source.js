// Middle: the source that ran, with the line at hand, what changed beside it, and breakpoints.
import { el, fill, reveal, View } from "./dom.js";
import { brief, callName, clip } from "./text.js";

const KINDS = ["", "k", "s", "c", "n", "f", "d", "b", "o"]; // as in highlight.py
const CHUNK = 40; // lines that the browser lays out together

const whenIdle = globalThis.requestIdleCallback
  ?? ((act) => setTimeout(() => act({ timeRemaining: () => 10 }), 100));

export class SourceView extends View {
  constructor(page) {
    super(page);
    this.files = new Map();
    this.marked = []; // lines with the classes that they were given for this step
    this.notes = [];
    this.list = el("ol");
    this.stack = el("nav.stack", { label: this.say("stack") }, this.list);
    this.code = el("div.code", {
      tabindex: "0", role: "group", label: this.say("source"), onclick: (event) => this.clicked(event),
    });
    this.element = this.panel("source", "source", this.stack, this.code);
    // Below the fold of a notebook the panel has no size yet, and nothing can be scrolled in it.
    new ResizeObserver(() => requestAnimationFrame(() => this.settle())).observe(this.code);
    const names = [...this.rec.sources.keys()];
    const ahead = (idle) => {
      while (names.length && idle.timeRemaining() > 4) if (this.file(names[0]).more()) names.shift();
      if (names.length && this.element.isConnected) whenIdle(ahead);
    };
    whenIdle(ahead);
  }

  update() {
    const { place } = this.cursor;
    this.drawStack();
    for (const [line, names] of this.marked) line.classList.remove(...names);
    for (const note of this.notes) note.remove();
    [this.marked, this.notes, this.here] = [[], [], null];
    const file = this.rec.sources.has(place?.file) ? this.file(place.file) : null;
    while (file && !file.more());
    if (this.shown !== file || !file) fill(this.code, file?.element ?? this.nothing("no_source"));
    this.shown = file;
    if (file) this.mark(file, place);
  }

  settle() {
    this.stack.scrollLeft = 1e6;
    reveal(this.code, this.here);
  }

  drawStack() {
    const { stack, selected } = this.cursor;
    const key = `${stack[0].id} ${selected}`;
    if (this.stacked === key) return;
    this.stacked = key;
    fill(this.list, stack.map((call, i) => el("li", el("button", {
      title: call.label, style: this.page.stageStyle(call.stage), "aria-current": i === selected && "true",
      onclick: () => this.page.select(i),
    }, clip(shortName(call), 48)))).reverse());
  }

  /** A source file {name, element, lines, ends of functions}; `more` builds some of it and says whether all is there. */
  file(name) {
    if (!this.files.has(name)) this.files.set(name, this.build(name));
    return this.files.get(name);
  }

  build(name) {
    const { text, package: from } = this.rec.sources.get(name);
    const { tokens, times, ends } = this.rec.data.files[name];
    const parts = coloured(text, tokens);
    const lines = [];
    const element = el("div.file", el("p.file-name.quiet", from ? `${name} · ${from}` : name));
    const more = () => {
      const chunk = [];
      for (let next; chunk.length < CHUNK && !(next = parts.next()).done;) {
        const n = lines.length + chunk.length + 1;
        chunk.push(codeLine(n, next.value, times[n] ?? 0));
      }
      lines.push(...chunk);
      if (chunk.length) element.append(el("div.chunk", chunk));
      return chunk.length < CHUNK;
    };
    return { name, element, lines, ends, more };
  }

  put(line, ...names) {
    line?.classList.add(...names);
    if (line) this.marked.push([line, names]);
  }

  mark(file, place) {
    const { call, selected, position, tick, breakpoints } = this.cursor;
    this.here = file.lines[place.line - 1];
    this.put(this.here, "here", `at-${selected === 0 ? position.kind : "line"}`);
    this.previous?.removeAttribute("aria-current");
    this.here?.setAttribute("aria-current", "step");
    this.previous = this.here;
    const own = call.source?.file === file.name;
    file.element.classList.toggle("focused", own);
    this.markFunction(file, own && call.source.line);
    if (own) this.beside(file, call, tick);
    for (const { location: { kind, name, line }, enabled } of breakpoints.values()) {
      if (kind === "line" && name === file.name) this.put(file.lines[line - 1], enabled ? "breakpoint" : "breakpoint-off");
    }
  }

  /** Mark the lines of the function at hand; most steps stay in it. */
  markFunction(file, start) {
    const key = start && `${file.name}:${start}`;
    if (key === this.inside) return;
    for (const line of this.functionLines ?? []) line.classList.remove("inside");
    this.functionLines = start ? file.lines.slice(start - 1, file.ends[start]) : [];
    for (const line of this.functionLines) line.classList.add("inside");
    this.inside = key;
  }

  /** Beside each line of the call that has run: what it changed last. */
  beside(file, call, tick) {
    const known = this.timeline.known(call).filter(([, from]) => from <= tick);
    const latest = new Map(known.map(([line]) => [line.line, line]));
    const fresh = this.timeline.finishedLine({ call, tick });
    for (const [n, line] of latest) {
      const text = this.effect(line);
      if (!text || !file.lines[n - 1]) continue;
      const note = el(`span.effect${line === fresh ? ".fresh" : ""}`, text);
      file.lines[n - 1].append(note);
      this.notes.push(note);
    }
  }

  effect({ changed, raised }) {
    const parts = changed.filter(([, value]) => value.kind !== "module").slice(0, 4)
      .map(([name, value]) => `${name} = ${brief(this.rec, value, 44)}`);
    return clip([...parts, raised].filter(Boolean).join("  "), 150);
  }

  clicked({ target }) {
    const gutter = target.closest(".gutter");
    if (gutter && this.shown) this.page.toggleBreakpoint({ file: this.shown.name, line: Number(gutter.dataset.line) });
  }
}

/** A line of code; how often it ran and its number are drawn by the style, beside it. */
function codeLine(n, parts, times) {
  return el(`div.line${times ? ".ran" : ""}`,
    el("span.gutter", { "data-line": n, "data-times": times > 1 ? `${times}×` : "" }),
    el("code", parts.map(([kind, text]) => (kind ? el(`span.${kind}`, text) : text))));
}

function shortName(call) {
  const isModule = call.kind === "module";
  return isModule && !call.path ? call.type : callName(call).split(".").slice(isModule ? -2 : -1).join(".");
}

/** Split a file's coloured runs into lines of [class, text] parts. */
function* coloured(text, runs) {
  let parts = [];
  let at = 0;
  for (let i = 0; i < runs.length; i += 2) {
    const [first, ...others] = text.slice(at, at += runs[i + 1]).split("\n").map((piece) => [KINDS[runs[i]], piece]);
    parts.push(first);
    for (const next of others) {
      yield parts;
      parts = [next];
    }
  }
  yield parts;
}
