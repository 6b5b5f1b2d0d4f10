// The cursor over a recording: the same moves and stops as tracer/stepper, held equal by the cases
// in tests/cases. The state at a position depends on the position alone.
import { evaluate, parse, Refused, truth } from "./evaluate.js";
import { sourceLines, tensorsOf } from "./record.js";

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
    this.trace = trace;
    this.linesOf = new Map();
    for (const line of trace.lines) push(this.linesOf, line.call, line);
    this.childrenOf = new Map();
    for (const call of trace.calls) push(this.childrenOf, call.parent, call);
    this.positions = [];
    for (const call of trace.calls) {
      this.positions.push({ tick: call.start, kind: "start", call, line: null });
      this.positions.push({ tick: call.end, kind: "end", call, line: null });
    }
    for (const line of trace.lines) {
      this.positions.push({ tick: line.tick, kind: "line", call: trace.calls[line.call], line });
    }
    this.positions.sort((a, b) => a.tick - b.tick);
    this.iterations = this.countIterations();
    this.bindings = new Map();
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
    for (const around of this.stack(call)) {
      const place = this.ownPlace(around, tick);
      if (place) return place;
    }
    return null;
  }

  ownPlace(call, tick) {
    const line = this.line(call, tick);
    if (line && call.source) return { file: call.source.file, line: line.line };
    if (call.source && this.trace.sources.has(call.source.file)) return call.source;
    return call.called_from;
  }

  /** What the tensor that held a state holds at a tick: a write in place before it gave it another. */
  current(state, tick) {
    this.successor ??= new Map(this.trace.tensors.filter((t) => t.previous != null).map((t) => [t.previous, t.id]));
    let now = state;
    while (this.successor.has(now)) {
      const writer = this.trace.tensors[now].overwritten_by;
      if (writer == null || this.trace.calls[writer].end > tick) break;
      now = this.successor.get(now);
    }
    return now;
  }

  /** How many times the same line had run before in the same call, by tick. */
  countIterations() {
    const seen = new Map();
    const found = new Map();
    for (const { tick, call, line } of this.trace.lines) {
      const key = `${call}:${line}`;
      found.set(tick, seen.get(key) ?? 0);
      seen.set(key, found.get(tick) + 1);
    }
    return found;
  }

  /** The line of the same call that ran just before a position. */
  finishedLine(position) {
    const lines = this.lines(position.call);
    return lines[countUpTo(lines, position.tick - 1, tickOf) - 1] ?? null;
  }

  /** What is new at a position, [name, value] each: the arguments, or what the line before bound. */
  changed(position) {
    if (position.kind === "start") return position.call.args.items;
    return this.finishedLine(position)?.changed ?? [];
  }

  /** All arguments and locals of a call at a tick: a Map in order of their first binding. */
  locals(call, tick) {
    const found = new Map();
    for (const [name, { ticks, values }] of this.bindingsOf(call)) {
      const value = values[countUpTo(ticks, tick) - 1];
      if (value) found.set(name, value);
    }
    return found;
  }

  /** What the names of one call held, from when on. */
  bindingsOf(call) {
    if (!this.bindings.has(call.id)) this.bindings.set(call.id, this.bind(call));
    return this.bindings.get(call.id);
  }

  bind(call) {
    const history = new Map();
    const bind = (name, tick, value) => {
      if (!history.has(name)) history.set(name, { ticks: [], values: [] });
      history.get(name).ticks.push(tick);
      history.get(name).values.push(value);
    };
    for (const [name, value] of call.args.items) bind(name, call.start, value);
    for (const [line, known] of this.known(call)) {
      for (const [name, value] of line.changed) bind(name, known, value);
      for (const name of line.deleted) bind(name, known, null);
    }
    return history;
  }
}

function push(map, key, item) {
  if (map.has(key)) map.get(key).push(item);
  else map.set(key, [item]);
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
    const failure = this.trace.error;
    if (!failure || failure.call == null) return this.timeline.positions[0].tick;
    const call = this.trace.calls[failure.call];
    for (const around of this.timeline.stack(call)) {
      const lines = this.timeline.lines(around);
      if (lines.length) return lines.at(-1).tick;
    }
    return call.start;
  }

  get position() {
    return this.timeline.at(this.tick);
  }

  get stack() {
    return this.timeline.stack(this.position.call);
  }

  get call() {
    return this.stack[this.selected];
  }

  get place() {
    return this.timeline.place(this.call, this.tick);
  }

  get first() {
    return this.timeline.positions[0].tick;
  }

  get last() {
    return this.timeline.positions.at(-1).tick;
  }

  goto(tick) {
    this.tick = this.timeline.at(tick).tick;
    this.selected = 0;
  }

  // Each returns the breakpoint that it stopped at, or null.
  into(ops = false) { return this.run(this.visible(ops)); }

  backInto(ops = false) { return this.run(this.visible(ops), true); }

  over() { return this.run(this.within(false)); }

  backOver() { return this.run(this.within(true), true); }

  out() {
    const call = this.unlessAt("end");
    return this.run((p) => p.kind === "end" && p.call === call);
  }

  backOut() {
    const call = this.unlessAt("start");
    return this.run((p) => p.kind === "start" && p.call === call, true);
  }

  /** To a line of the selected call beyond this one, or from `number` on, or to its end. */
  until(number = null) {
    const { call } = this;
    if (!this.timeline.hasLines(call)) throw new Refused("refused_lines");
    const from = number ?? this.place.line + 1;
    return this.run((p) => p.call === call && (p.kind === "end" || (p.line && p.line.line >= from)));
  }

  on() { return this.run(() => false); }

  backOn() { return this.run(() => false, true); }

  /** Move to where `goal` holds or a breakpoint stops, or to the end. */
  run(goal, backwards = false) {
    const { positions } = this.timeline;
    const stops = this.stops();
    const end = backwards ? 0 : positions.length - 1;
    let i = this.timeline.index(this.tick);
    if (i === end) stops.clear();
    while (i !== end) {
      i += backwards ? -1 : 1;
      if (stops.has(positions[i].tick) || goal(positions[i])) break;
    }
    this.goto(positions[i].tick);
    const stop = stops.get(this.tick) ?? null;
    if (stop?.temporary) this.breakpoints.delete(stop.number);
    return stop;
  }

  /** Where breakpoints stop: the first of them, by tick. */
  stops() {
    const found = new Map();
    for (const breakpoint of this.breakpoints.values()) {
      const { enabled, ticks, ignored } = breakpoint;
      if (enabled) for (const tick of ticks) if (!found.has(tick) && !ignored.includes(tick)) found.set(tick, breakpoint);
    }
    return found;
  }

  visible(ops) {
    const shown = ops || this.ops;
    return (p) => shown || p.call.kind !== "op";
  }

  /** Where a step in the selected call ends; a call without lines shows the calls that it makes. */
  within(backwards) {
    const [entry, exit] = backwards ? ["end", "start"] : ["start", "end"];
    const { position } = this;
    const entering = this.selected === 0 && position.kind === entry;
    const call = this.unlessAt(exit);
    const shown = this.visible(position.call.kind === "op");
    if (this.selected === 0 && position.kind === exit && call === this.call) return shown;
    const whole = entering && call.parent != null;
    const byCalls = !this.timeline.hasLines(call) && !whole;
    return (p) => (p.call === call && p.kind !== entry)
      || (byCalls && p.kind === entry && p.call.parent === call.id && shown(p));
  }

  /** The selected call; standing at its start (or end), the next outer one. */
  unlessAt(kind) {
    const { call } = this;
    const there = this.selected === 0 && this.position.kind === kind;
    return there && call.parent != null ? this.trace.calls[call.parent] : call;
  }

  /** Where the stages begin, in order: [tick, name]; neighbouring calls of one count as one. */
  stageStarts() {
    const starts = this.trace.stages.flatMap(
      (stage) => stage.calls.map((id) => [this.trace.calls[id].start, stage.name]));
    starts.sort((a, b) => a[0] - b[0]);
    return starts.filter(([, name], i) => i === 0 || starts[i - 1][1] !== name);
  }

  /** Go to the next stage (or, with -1, to where this one began, then the one before). */
  toStage(direction = 1) {
    const ticks = this.stageStarts().map(([tick]) => tick);
    const found = direction > 0
      ? ticks.find((tick) => tick > this.tick)
      : ticks.findLast((tick) => tick < this.tick);
    if (found == null) return false;
    this.goto(found);
    return true;
  }

  /** Set a breakpoint at a place, or a watch; refuses a place where the recording never comes by. */
  addBreakpoint(place, { condition = "", temporary = false, watch = false } = {}) {
    const location = watch ? { kind: "any" } : readLocation(place, this.place?.file);
    const positions = location ? locate(location, this.timeline) : [];
    if (!positions.length) throw new Refused("refused_place", { text: place });
    if (watch && !condition) throw new Refused("refused_expression", { text: "" });
    const expression = condition ? this.readCondition(condition, positions) : null;
    const ticks = this.ticksOf(location, expression, positions);
    this.numbered += 1;
    const text = [place, condition].filter(Boolean).join(", ");
    const breakpoint = { number: this.numbered, location, text, ticks, ignored: [], temporary, enabled: true };
    this.breakpoints.set(breakpoint.number, breakpoint);
    return breakpoint;
  }

  /** A condition whose names are known to at least one of the calls at some positions. */
  readCondition(text, positions) {
    const expression = parse(text);
    const known = new Set(["nth", "iteration", "hits", "torch", "self", ...RESULTS]);
    for (const call of new Set(positions.map((p) => p.call))) {
      for (const name of this.timeline.bindingsOf(call).keys()) known.add(name);
    }
    const unknown = [...expression.names].find((name) => !known.has(name));
    if (unknown) throw new Refused("refused_name", { name: unknown });
    return expression;
  }

  /** Where a breakpoint stops: at a call's start, or its end where the condition is on its result. */
  ticksOf(location, expression, positions) {
    const whole = ["call", "stage"].includes(location.kind);
    const asksResult = (call) => RESULTS.some(
      (name) => expression?.names.has(name) && !call.args.items.some(([arg]) => arg === name));
    const places = whole ? positions.filter((p) => p.kind === (asksResult(p.call) ? "end" : "start")) : positions;
    if (!expression) return places.map((p) => p.tick);
    const truths = this.truths(expression, places);
    if (location.kind !== "any") return places.filter((_, i) => truths[i]).map((p) => p.tick);
    const before = new Map();
    return places.filter(({ call }, i) => {
      const begins = truths[i] && !before.get(call.id);
      before.set(call.id, truths[i]);
      return begins;
    }).map((p) => p.tick);
  }

  truths(expression, places) {
    let refused = null;
    let failed = 0;
    const found = places.map((position, i) => {
      const iteration = position.line ? this.timeline.iterations.get(position.tick) : 0;
      try {
        return truth(evaluate(expression.tree, this.scope(position, position.call, { nth: position.call.nth, iteration, hits: i + 1 })));
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
      const local = timeline.locals(call, position.tick).get(name);
      if (local) return read(local);
      if (result && RESULTS.includes(name)) return read(result);
      if (name === "self" && call.kind === "module") return moduleValue(trace, call.path);
      if (Object.hasOwn(counters, name)) return counters[name];
      throw new Refused("refused_name", { name });
    };
    const fresh = () => [...timeline.changed(position).map(([, value]) => read(value)), ...(result ? [read(result)] : [])];
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

  /** The breakpoint at a line, if there is one. */
  breakpointAt(file, line) {
    return [...this.breakpoints.values()].find(
      ({ location }) => location.kind === "line" && location.name === file && location.line === line);
  }
}

/** Where a breakpoint is: a call by name, FILE:LINE, a line of this file, or a stage. */
export function readLocation(text, file = "") {
  const [, name, number] = /^(.*?)(?:#(\d+))?$/s.exec(text.trim());
  const nth = number == null ? null : Number(number);
  const stage = /^stage[ :]\s*(.+)$/s.exec(name);
  if (stage) return { kind: "stage", name: stage[1], nth };
  if (/^\d+$/.test(name)) return file ? { kind: "line", name: file, line: Number(name), nth } : null;
  const line = /^(.+):(\d+)$/s.exec(name);
  if (line) return { kind: "line", name: line[1], line: Number(line[2]), nth };
  return name ? { kind: "call", name: name.trim(), nth } : null;
}

function locate(location, timeline) {
  let wanted = location;
  if (location.kind === "line") {
    const file = findFile(location.name, [...timeline.trace.sources.keys()]);
    if (!file) return [];
    wanted = { ...location, name: file };
    location.name = file;
  }
  const test = HOLDS[wanted.kind](wanted, timeline);
  return timeline.positions.filter(test);
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

const HOLDS = {
  any: () => ({ call }) => call.kind !== "op",
  line: ({ name, line, nth }, timeline) => (p) => {
    if (p.call.source?.file !== name) return false;
    if (!p.line) {
      return p.kind === "start" && p.call.source.line === line && (nth == null || nth === p.call.nth);
    }
    return p.line.line === line && (nth == null || nth === timeline.iterations.get(p.tick));
  },
  stage: ({ name, nth }, { trace }) => ({ call, line }) => !line && call.stage === name
    && (call.parent == null || trace.calls[call.parent].stage !== name)
    && (nth == null || nth === call.nth),
  call: ({ name, nth }) => {
    const pattern = glob(`*.${name}`);
    const whole = glob(name);
    return ({ call, line }) => !line && (nth == null || nth === call.nth)
      && namesOf(call).some((n) => whole.test(n) || pattern.test(n));
  },
};

function namesOf(call) {
  if (call.kind === "module") return [call.path || "(root)", call.type, `${call.type}.forward`];
  return [call.path, `${call.type}.${call.path}`];
}

/** The one recorded file that a name is, or is the end of. */
function findFile(name, files) {
  if (files.includes(name)) return name;
  const found = files.filter((f) => [`/${name}`, `/${name}.py`].some((end) => `/${f}`.endsWith(end)));
  return found.length === 1 ? found[0] : null;
}

/** A regular expression for a pattern with `*`, `?` and `[…]`. */
export function glob(pattern, flags = "") {
  const source = pattern.replace(/\[(!?)([^\]]+)\]|[.+^${}()|\\[\]*?]/g, (mark, not, set) => {
    if (set) return `[${not ? "^" : ""}${set.replace(/[\\\]]/g, "\\$&")}]`;
    return { "*": ".*", "?": "." }[mark] ?? `\\${mark}`;
  });
  return new RegExp(`^${source}$`, `s${flags}`);
}
