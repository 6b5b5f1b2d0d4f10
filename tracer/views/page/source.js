// Middle: the source that ran, what its lines changed, breakpoints. Of the page, or of one of two recordings on it.
import { clip, el, fill, put, reveal } from "./dom.js";
import { nothing, panel, say, stageStyle } from "./page.js";
import { lineAt } from "./stepper.js";

const KINDS = ["", "k", "s", "c", "n", "f", "d", "b", "o"]; // as in highlight.py
const CHUNK = 40; // lines that the browser lays out together

export function sourcePane({ rec, cursor, refresh, toggleBreakpoint }) {
  const files = new Map(); // {name, element, lines, ends of functions}
  let code, stack;
  let file; // the one shown
  let here; // the line at hand
  let inside = []; // the lines of its function
  let marked = []; // [line, class] given for this step
  let notes = [];

  function build() {
    stack = el("ol");
    code = el("div.code", { tabindex: "0", role: "group", label: say("source"), onclick: clicked });
    file = null;
    // Below the fold of a notebook the panel has no size yet, and nothing can be scrolled in it.
    new ResizeObserver(() => requestAnimationFrame(settle)).observe(code);
    for (const name of rec.sources.keys()) globalThis.requestIdleCallback?.(() => load(name));
    return panel("source", "source", el("nav.stack", { label: say("stack") }, stack), code);
  }

  function update() {
    const { place } = cursor;
    fillStack();
    for (const [line, name] of marked) line.classList.remove(name);
    for (const note of notes) note.remove();
    if (here) put(here, { "aria-current": null });
    [marked, notes, here] = [[], [], null];
    const found = rec.sources.has(place?.file) ? load(place.file) : null;
    if (found !== file || !found) fill(code, found?.element ?? nothing("no_source"));
    file = found;
    if (file) markAll(place);
  }

  function settle() {
    stack.parentNode.scrollLeft = 1e6;
    reveal(code, here);
  }

  function fillStack() {
    const calls = cursor.stack;
    const key = `${calls[0].id} ${cursor.selected}`;
    if (stack.key === key) return;
    stack.key = key;
    fill(stack, calls.map(({ label, stage, short }, i) => el("li", el("button", {
      title: label, style: stageStyle(stage), "aria-current": i === cursor.selected || null, onclick: () => select(i),
    }, clip(short, 48)))).reverse());
  }

  function select(i) {
    cursor.selected = i;
    refresh();
  }

  function load(name) {
    if (!files.has(name)) {
      const { lines: texts, package: from } = rec.sources.get(name);
      const { lines: runs, times, ends } = rec.data.files[name];
      const lines = texts.map((text, i) => codeLine(i + 1, coloured(text, runs[i]), times[i + 1]));
      const chunks = lines.flatMap((_, i) => (i % CHUNK ? [] : el("div.chunk", lines.slice(i, i + CHUNK))));
      const element = el("div.file", el("p.file-name.quiet", from ? `${name} · ${from}` : name), chunks);
      files.set(name, { name, lines, ends, element });
    }
    return files.get(name);
  }

  function coloured(text, runs) {
    let at = 0;
    return runs.flatMap((kind, i) => {
      if (i % 2) return [];
      const piece = text.slice(at, at += runs[i + 1]);
      return kind ? el(`span.${KINDS[kind]}`, piece) : piece;
    });
  }

  // How often a line ran and its number are drawn by the style.
  function codeLine(n, parts, times) {
    const gutter = el("span.gutter", { "data-line": n, "data-times": times > 1 ? `${times}×` : "" });
    return el(`div.line${times ? ".ran" : ""}`, gutter, el("code", parts));
  }

  function mark(line, name) {
    line?.classList.add(name);
    if (line) marked.push([line, name]);
  }

  function markAll(place) {
    const { call, selected, position, tick, breakpoints } = cursor;
    here = file.lines[place.line - 1];
    if (here) put(here, { "aria-current": "step" });
    mark(here, "here");
    mark(here, `at-${selected === 0 ? position.kind : "line"}`);
    const own = call.source?.file === file.name;
    file.element.classList.toggle("focused", own);
    markFunction(own ? file.lines.slice(call.source.line - 1, file.ends[call.source.line]) : []);
    if (own) writeBeside(call, tick);
    for (const { location: { kind, name, line }, enabled } of breakpoints) {
      if (kind === "line" && name === file.name) mark(file.lines[line - 1], enabled ? "breakpoint" : "breakpoint-off");
    }
  }

  // Mark the lines of the function at hand; most steps stay in it.
  function markFunction(lines) {
    if (lines[0] === inside[0]) return;
    for (const line of inside) line.classList.remove("inside");
    for (const line of lines) line.classList.add("inside");
    inside = lines;
  }

  // Beside each line of the call that has run: what it changed last.
  function writeBeside(call, tick) {
    const latest = new Map(call.lines.filter(({ known }) => known <= tick).map((line) => [line.line, line]));
    const fresh = lineAt(call, tick - 1);
    for (const [n, line] of latest) {
      const text = effect(line);
      if (!text) continue;
      const note = el(`span.effect${line === fresh ? ".fresh" : ""}`, text);
      file.lines[n - 1]?.append(note);
      notes.push(note);
    }
  }

  function effect(line) {
    const { changed, raised } = line;
    const parts = changed.filter(([, value]) => value.kind !== "module").slice(0, 4).map(([name, { brief, tensor }]) => `${name} = ${brief}${overwritten(tensor, line)}`);
    return clip([...parts, raised].filter(Boolean).join("  "), 150);
  }

  // What a line that writes in place found in the tensor, and what it left.
  function overwritten(state, { tick, known }) {
    const before = rec.tensors[state?.previous];
    const write = rec.calls[state?.producer];
    if (!before || !write || write.start < tick || write.end > known) return "";
    const told = ({ ends, numbers }) => [ends.join(" … "), ...numbers.filter(([key]) => key === "zeros").map(([key, text]) => `${say(key)} ${text}`)].join(", ");
    return ` · ${say("in_place", { before: told(before), after: told(state) })}`;
  }

  function clicked({ target }) {
    const gutter = target.closest(".gutter");
    if (gutter && file) toggleBreakpoint({ file: file.name, line: Number(gutter.dataset.line) });
  }

  return { build, update, settle };
}
