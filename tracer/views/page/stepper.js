// The cursor over a recording: the same moves and stops as tracer/stepper, held equal by the cases
// in tests/cases. The state at a position depends on the position alone.
import { parse, Refused, truth } from "./evaluate.js";
import { push, sourceLines, tensorsOf } from "./record.js";

/** How many items of a list, sorted by `key` (ticks by themselves), are not beyond `bound`. */
function countUpTo(items, bound, key = (tick) => tick) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(items[middle]) <= bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

const tickOf = (item) => item.tick;

/** A trace laid out for stepping: its positions {tick, kind, call, line} in order. */
export class Timeline {
  constructor(trace) {
    const { calls, lines } = trace;
    Object.assign(this, { trace, linesOf: new Map(), childrenOf: new Map(), bindings: new Map() });
    for (const line of lines) push(this.linesOf, line.call, line);
    for (const call of calls) push(this.childrenOf, call.parent, call);
    this.positions = [
      ...calls.flatMap((call) => ["start", "end"].map((kind) => ({ tick: call[kind], kind, call, line: null }))),
      ...lines.map((line) => ({ tick: line.tick, kind: "line", call: calls[line.call], line })),
    ].sort((a, b) => a.tick - b.tick);
    this.iterations = this.countIterations();
  }

  /** The index of the position at a tick, or of the last one before it. */
  index(tick) {
    return Math.max(0, countUpTo(this.positions, tick, tickOf) - 1);
  }

  at(tick) {
    return this.positions[this.index(tick)];
  }

  /** A call and the calls around it, the innermost first. */
  stack(call) {
    const found = [call];
    while (found.at(-1).parent != null) found.push(this.trace.calls[found.at(-1).parent]);
    return found;
  }

  lines(call) {
    return this.linesOf.get(call.id) ?? [];
  }

  /** The lines of a call, each with the tick from which on it is known what the line changed. */
  known(call) {
    return this.lines(call).map((line, i, lines) => [line, lines[i + 1]?.tick ?? call.end]);
  }

  children(call) {
    return this.childrenOf.get(call ? call.id : null) ?? [];
  }

  hasLines(call) {
    return this.linesOf.has(call.id);
  }

  /** The line of a call that is running, or about to run, at a tick. */
  line(call, tick) {
    const lines = this.lines(call);
    return lines[countUpTo(lines, tick, tickOf) - 1] ?? null;
  }

  /** The place {file, line} where a call is at a tick; of one without source, where it was called. */
  place(call, tick) {
    return this.stack(call).map((around) => this.ownPlace(around, tick)).find(Boolean) ?? null;
  }

  ownPlace(call, tick) {
    const line = this.line(call, tick);
    if (line && call.source) return { file: call.source.file, line: line.line };
    return this.trace.sources.has(call.source?.file) ? call.source : call.called_from;
  }

  /** What the tensor that held a state holds at a tick: a write in place before it gave it another. */
  current(state, tick) {
    const { tensors, calls } = this.trace;
    this.successor ??= new Map(tensors.filter((t) => t.previous != null).map((t) => [t.previous, t.id]));
    let now = state;
    const isOver = (writer) => writer != null && calls[writer].end <= tick;
    while (this.successor.has(now) && isOver(tensors[now].overwritten_by)) now = this.successor.get(now);
    return now;
  }

  /** How many times the same line had run before in the same call, by tick. */
  countIterations() {
    const seen = new Map();
    return new Map(this.trace.lines.map(({ tick, call, line }) => {
      push(seen, `${call}:${line}`, tick);
      return [tick, seen.get(`${call}:${line}`).length - 1];
    }));
  }

  /** The line of the same call that ran just before a position. */
  finishedLine({ call, tick }) {
    return this.line(call, tick - 1);
  }

  /** What is new at a position, [name, value] each: the arguments, or what the line before bound. */
  changed(position) {
    return position.kind === "start" ? position.call.args.items : this.finishedLine(position)?.changed ?? [];
  }

  /** All arguments and locals of a call at a tick: a Map in order of their first binding. */
  locals(call, tick) {
    const found = [...this.bindingsOf(call)].map(
      ([name, bound]) => [name, bound[countUpTo(bound, tick, ([from]) => from) - 1]?.[1]]);
    return new Map(found.filter(([, value]) => value));
  }

  /** What the names of one call held, [from which tick on, value] each. */
  bindingsOf(call) {
    if (!this.bindings.has(call.id)) {
      const found = new Map();
      for (const [name, value] of call.args.items) push(found, name, [call.start, value]);
      for (const [{ changed, deleted }, known] of this.known(call)) {
        for (const [name, value] of [...changed, ...deleted.map((gone) => [gone, null])]) push(found, name, [known, value]);
      }
      this.bindings.set(call.id, found);
    }
    return this.bindings.get(call.id);
  }
}

/** Stands at one position; moves forwards and backwards; stops at breakpoints. */
export class Cursor {
  constructor(trace, timeline = new Timeline(trace)) {
    this.trace = trace;
    this.timeline = timeline;
    this.selected = 0; // which entry of the stack is looked at, 0 for the innermost
    this.ops = false; // whether single steps visit ops too
    this.breakpoints = new Map(); // by number
    this.numbered = 0;
    this.tick = this.begin();
  }

  /** The first tick; of a failed run that of the line that raised. */
  begin() {
    const call = this.trace.calls[this.trace.error?.call];
    if (!call) return this.first;
    const ran = this.timeline.stack(call).find((around) => this.timeline.hasLines(around));
    return ran ? this.timeline.lines(ran).at(-1).tick : call.start;
  }

  get position() { return this.timeline.at(this.tick); }

  get stack() { return this.timeline.stack(this.position.call); }

  get call() { return this.stack[this.selected]; }

  get place() { return this.timeline.place(this.call, this.tick); }

  get first() { return this.timeline.positions[0].tick; }

  get last() { return this.timeline.positions.at(-1).tick; }

  goto(tick) {
    this.tick = this.timeline.at(tick).tick;
    this.selected = 0;
  }

  // --- moving: each goes forwards, or by -1 backwards, and returns the breakpoint that it stopped at ---

  into(by = 1, ops = false) { return this.run(by, this.visible(ops)); }

  over(by = 1) { return this.run(by, this.within(...(by > 0 ? ["start", "end"] : ["end", "start"]))); }

  out(by = 1) {
    const exit = by > 0 ? "end" : "start";
    const call = this.unlessAt(exit);
    return this.run(by, (p) => p.kind === exit && p.call === call);
  }

  on(by = 1) { return this.run(by, () => false); }

  /** To a line of the selected call beyond this one, or from `number` on, or to its end. */
  until(number = null) {
    const { call } = this;
    if (!this.timeline.hasLines(call)) throw new Refused("refused_lines");
    const from = number ?? this.place.line + 1;
    return this.run(1, (p) => p.call === call && (p.kind === "end" || p.line?.line >= from));
  }

  /** Move to where `goal` holds or a breakpoint stops, or to the end. */
  run(by, goal) {
    const { positions } = this.timeline;
    const stops = this.stops();
    const end = by > 0 ? positions.length - 1 : 0;
    let i = this.timeline.index(this.tick);
    if (i === end) stops.clear();
    while (i !== end) {
      i += by;
      if (stops.has(positions[i].tick) || goal(positions[i])) break;
    }
    this.goto(positions[i].tick);
    const stop = stops.get(this.tick) ?? null;
    if (stop?.temporary) this.breakpoints.delete(stop.number);
    return stop;
  }

  /** Where breakpoints stop: the first of them, by tick. */
  stops() {
    const enabled = [...this.breakpoints.values()].filter((breakpoint) => breakpoint.enabled);
    return new Map(enabled.reverse().flatMap((breakpoint) => breakpoint.ticks
      .filter((tick) => !breakpoint.ignored.includes(tick)).map((tick) => [tick, breakpoint])));
  }

  visible(ops) {
    const shown = ops || this.ops;
    return (p) => shown || p.call.kind !== "op";
  }

  /** Where a step in the selected call ends; a call without lines shows the calls that it makes. */
  within(entry, exit) {
    const { position } = this;
    const at = this.selected === 0 ? position.kind : null;
    const call = this.unlessAt(exit);
    const shown = this.visible(position.call.kind === "op");
    if (at === exit && call === this.call) return shown;
    const byCalls = !this.timeline.hasLines(call) && (at !== entry || call.parent == null);
    return (p) => (p.call === call && p.kind !== entry)
      || (byCalls && p.kind === entry && p.call.parent === call.id && shown(p));
  }

  /** The selected call; standing at its start (or end), the next outer one. */
  unlessAt(kind) {
    const { call } = this;
    const there = this.selected === 0 && this.position.kind === kind;
    return (there && this.trace.calls[call.parent]) || call;
  }

  /** Go to where the next stage begins; by -1 to where this one began, then the one before. */
  toStage(by = 1) {
    const starts = this.trace.stages.flatMap(({ calls, name }) => calls.map((id) => [this.trace.calls[id].start, name]))
      .sort((a, b) => a[0] - b[0]);
    // Neighbouring calls of one stage count as one.
    const ticks = starts.filter(([, name], i) => starts[i - 1]?.[1] !== name).map(([tick]) => tick);
    const found = by > 0 ? ticks.find((tick) => tick > this.tick) : ticks.findLast((tick) => tick < this.tick);
    if (found != null) this.goto(found);
    return found != null;
  }

  // --- breakpoints ---

  /** Set a breakpoint at a place, or a watch; refuses a place where the recording never comes by. */
  addBreakpoint(place, { condition = "", temporary = false, watch = false } = {}) {
    const location = watch ? { kind: "any" } : readLocation(place, this.place?.file);
    const positions = location ? locate(location, this.timeline) : [];
    if (!positions.length) throw new Refused("refused_place", { text: place });
    const expression = condition || watch ? this.readCondition(condition, positions) : null;
    const ticks = this.ticksOf(location, expression, positions);
    const text = [place, condition].filter(Boolean).join(", ");
    const breakpoint = { number: ++this.numbered, location, text, ticks, ignored: [], temporary, enabled: true };
    this.breakpoints.set(breakpoint.number, breakpoint);
    return breakpoint;
  }

  /** A condition whose names are known to at least one of the calls at some positions. */
  readCondition(text, positions) {
    const expression = parse(text);
    const calls = new Set(positions.map(({ call }) => call));
    const bound = [...calls].flatMap((call) => [...this.timeline.bindingsOf(call).keys()]);
    const known = new Set(["nth", "iteration", "hits", "torch", "self", ...RESULTS, ...bound]);
    const unknown = [...expression.names].find((name) => !known.has(name));
    if (unknown) throw new Refused("refused_name", { name: unknown });
    return expression;
  }

  /** Where a breakpoint stops: at a call's start, or its end where the condition is on its result. */
  ticksOf({ kind }, expression, positions) {
    const asksResult = ({ args }) => RESULTS.some(
      (name) => expression?.names.has(name) && !args.items.some(([arg]) => arg === name));
    const places = ["call", "stage"].includes(kind)
      ? positions.filter((p) => p.kind === (asksResult(p.call) ? "end" : "start")) : positions;
    const truths = expression && this.truths(expression, places);
    const before = new Map();
    return places.filter(({ call }, i) => {
      // A watch stops where its condition begins to hold in a call.
      const held = kind === "any" && before.get(call.id);
      before.set(call.id, truths?.[i]);
      return (!truths || truths[i]) && !held;
    }).map(tickOf);
  }

  truths(expression, places) {
    let refused = null;
    let failed = 0;
    const found = places.map((position, i) => {
      const counters = { nth: position.call.nth, iteration: this.timeline.iterations.get(position.tick) ?? 0, hits: i + 1 };
      try {
        return truth(expression.value(this.scope(position, position.call, counters)));
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        refused = error;
        failed += 1;
        return false;
      }
    });
    if (failed && failed === places.length) throw refused;
    return found;
  }

  /** Pass over a breakpoint's next places from here, in either direction. */
  ignore(breakpoint, times) {
    const from = countUpTo(breakpoint.ticks, this.tick);
    breakpoint.ignored = breakpoint.ticks.slice(from, from + times);
  }

  /** The breakpoint at a line, if there is one. */
  breakpointAt(file, line) {
    return [...this.breakpoints.values()].find(
      ({ location }) => location.kind === "line" && location.name === file && location.line === line);
  }

  // --- looking ---

  /** The names that an expression sees at a position, as values were at that moment. */
  scope(position = this.position, call = this.call, counters = {}) {
    const { timeline, trace } = this;
    const result = position.kind === "end" && position.call === call ? call.result : null;
    const read = (value) => {
      if (value.kind === "scalar") return value.scalar;
      return value.tensor == null ? value : trace.tensors[timeline.current(value.tensor, position.tick)];
    };
    const get = (name) => {
      const value = timeline.locals(call, position.tick).get(name) ?? (RESULTS.includes(name) ? result : null);
      if (value) return read(value);
      if (name === "self" && call.kind === "module") return moduleValue(trace, call.path);
      if (Object.hasOwn(counters, name)) return counters[name];
      throw new Refused("refused_name", { name });
    };
    const fresh = () => [...timeline.changed(position).map(([, value]) => value), result].filter(Boolean).map(read);
    return { get, read, fresh };
  }

  /** What `find` searches at a position: a call's names and shapes at its start, a line's text. */
  searched({ kind, call, tick }) {
    if (kind === "end") return "";
    if (kind === "line") {
      const place = this.timeline.place(call, tick);
      return sourceLines(this.trace, place?.file)[place?.line - 1]?.trim() ?? "";
    }
    const shapes = tensorsOf(call.result).map((state) => this.trace.tensors[state].summary.shape.join("x"));
    return [call.label, call.type, ...shapes].join(" ");
  }
}

// --- places ---

/** Where a breakpoint is: a call by name, FILE:LINE, a line of this file, or a stage. */
function readLocation(text, file = "") {
  const [, name, number] = /^(.*?)(?:#(\d+))?$/s.exec(text.trim());
  const nth = number == null ? null : Number(number);
  const [, stage] = /^stage[ :]\s*(.+)$/s.exec(name) ?? [];
  if (stage) return { kind: "stage", name: stage, nth };
  const [, of = file, line] = /^(?:(.+):)?(\d+)$/s.exec(name) ?? [];
  if (line) return of && { kind: "line", name: of, line: Number(line), nth };
  return name && { kind: "call", name: name.trim(), nth };
}

function locate(location, timeline) {
  if (location.kind === "line") location.name = findFile(location.name, [...timeline.trace.sources.keys()]);
  return timeline.positions.filter(HOLDS[location.kind](location, timeline));
}

const RESULTS = ["__return__", "result"];

/** A module of the traced model as a value: its settings and its children. */
function moduleValue(trace, path) {
  const module = trace.modules.get(path);
  if (!module) throw new Refused("refused_name", { name: "self" });
  const settings = module.settings.map(([name, text]) => [name, { kind: "scalar", type: "str", scalar: text }]);
  const children = (module.children ?? []).filter(([, child]) => trace.modules.has(child))
    .map(([name, child]) => [name, moduleValue(trace, child)]);
  return { kind: "module", type: module.type, text: path, items: [...settings, ...children], elided: 0 };
}

/** By kind of place: which positions are there. */
const HOLDS = {
  any: () => ({ call }) => call.kind !== "op",
  line: (wanted, { iterations }) => ({ call, kind, line, tick }) => {
    const own = line ?? (kind === "start" && call.source);
    return own && call.source?.file === wanted.name && own.line === wanted.line
      && isNth(wanted, line ? iterations.get(tick) : call.nth);
  },
  stage: (wanted, { trace }) => ({ call, line }) => !line && call.stage === wanted.name
    && trace.calls[call.parent]?.stage !== wanted.name && isNth(wanted, call.nth),
  call: (wanted) => {
    const patterns = [wanted.name, `*.${wanted.name}`].map((name) => glob(name));
    return ({ call, line }) => !line && isNth(wanted, call.nth)
      && namesOf(call).some((name) => patterns.some((pattern) => pattern.test(name)));
  },
};

const isNth = (wanted, nth) => wanted.nth == null || wanted.nth === nth;

function namesOf({ kind, path, type }) {
  return kind === "module" ? [path || "(root)", type, `${type}.forward`] : [path, `${type}.${path}`];
}

/** The one recorded file that a name is, or is the end of. */
function findFile(name, files) {
  const found = files.filter((file) => [`/${name}`, `/${name}.py`].some((end) => `/${file}`.endsWith(end)));
  return files.includes(name) || found.length !== 1 ? name : found[0];
}

/** A regular expression for a pattern with `*`, `?` and `[…]`. */
export function glob(pattern) {
  const source = pattern.replace(/\[(!?)([^\]]+)\]|[.+^${}()|\\[\]*?]/g, (mark, not, set) => {
    if (set) return `[${not ? "^" : ""}${set.replace(/[\\\]]/g, "\\$&")}]`;
    return { "*": ".*", "?": "." }[mark] ?? `\\${mark}`;
  });
  return new RegExp(`^${source}$`, "s");
}
