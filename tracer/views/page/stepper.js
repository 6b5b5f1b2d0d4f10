// The cursor over a recording: the same moves and stops as tracer/stepper, held equal by the cases
// in tests/cases. The state at a position depends on the position alone.
import { attempt, parse, refuse, Refused, TensorView, TreeView, truth } from "./evaluate.js";
import { own } from "./record.js";

// --- what is so at a tick ---

// A call and the calls around it, the innermost first.
export const stackOf = (call) => call ? [call, ...stackOf(call.around)] : [];

// The line of a call that is running, or about to run.
export const lineAt = (call, tick) => call.lines.findLast((line) => line.tick <= tick);

// What the tensor that held a state holds: a write in place before may have given it another.
export const current = (state, tick) => state?.later && state.until <= tick ? current(state.later, tick) : state;

const held = (call, name, tick) => call.bound.get(name)?.findLast(([from]) => from <= tick)?.[1];

// All arguments and locals of a call as [name, value], in order of their first binding.
export function locals(call, tick) {
  return [...call.bound.keys()].map((name) => [name, held(call, name, tick)]).filter(([, value]) => value);
}

// What is new at a position, [name, value] each: the arguments, or what the line before bound.
export const changed = ({ kind, call, tick }) => kind === "start" ? call.args.items : lineAt(call, tick - 1)?.changed ?? [];

export class Cursor {
  selected = 0; // which entry of the stack is looked at, 0 for the innermost
  ops = false; // whether single steps visit ops too
  breakpoints = [];
  numbered = 0;
  at = []; // positions by tick

  constructor(trace) {
    const { calls, lines } = this.trace = trace;
    this.positions = [
      ...calls.flatMap((call) => ["start", "end"].map((kind) => ({ tick: call[kind], kind, call }))),
      ...lines.map((line) => ({ tick: line.tick, kind: "line", call: calls[line.call], line })),
    ].sort((a, b) => a.tick - b.tick);
    this.positions.forEach((position, index) => { this.at[position.tick] = Object.assign(position, { index }); });
    [this.first, this.last] = [this.positions[0].tick, this.at.length - 1];
    this.tick = this.begin();
  }

  // The first tick; of a failed run that of the line that raised.
  begin() {
    const call = this.trace.calls[this.trace.error?.call];
    const ran = stackOf(call).find(({ lines }) => lines.length);
    return ran?.lines.at(-1).tick ?? call?.start ?? this.first;
  }

  get position() { return this.at[this.tick]; }

  get stack() { return stackOf(this.position.call); }

  get call() { return this.stack[this.selected]; }

  get place() { return this.placeOf(this.call, this.tick); }

  // The place {file, line} where a call is; of one without source, where it was called.
  placeOf(call, tick) {
    const { source, called_from: from, around } = call;
    const line = lineAt(call, tick);
    if (line && source) return { file: source.file, line: line.line };
    return (this.trace.sources.has(source?.file) ? source : from) ?? (around ? this.placeOf(around, tick) : null);
  }

  // To a tick, or the last position before it.
  goto(tick) {
    this.tick = (this.positions.findLast((position) => position.tick <= tick) ?? this.positions[0]).tick;
    this.selected = 0;
  }

  // --- moving: each goes forwards, or by -1 backwards, and returns the breakpoint that it stopped at ---

  into(by, ops) { return this.run(by, this.visible(ops)); }

  over(by) { return this.run(by, this.within(...(by > 0 ? ["start", "end"] : ["end", "start"]))); }

  out(by) {
    const exit = by > 0 ? "end" : "start";
    const call = this.unlessAt(exit);
    return this.run(by, (p) => p.kind === exit && p.call === call);
  }

  on(by) { return this.run(by, () => false); }

  // To a line of the selected call beyond this one, or from `number` on, or to its end.
  until(number) {
    const { call } = this;
    if (!call.lines.length) refuse("lines");
    const from = number ?? this.place.line + 1;
    return this.run(1, (p) => p.call === call && (p.kind === "end" || p.line?.line >= from));
  }

  // Move to where `goal` holds or a breakpoint stops, or to the end.
  run(by, goal) {
    const { positions, position } = this;
    const stops = this.stops();
    let next = position;
    while (positions[next.index + by]) {
      next = positions[next.index + by];
      if (stops.has(next.tick) || goal(next)) break;
    }
    const stop = next !== position && stops.get(next.tick);
    this.goto(next.tick);
    if (stop?.temporary) this.remove(stop);
    return stop || null;
  }

  stops() {
    return new Map(this.breakpoints.filter(({ enabled }) => enabled).reverse().flatMap((breakpoint) => breakpoint.ticks
      .filter((tick) => !breakpoint.ignored.includes(tick)).map((tick) => [tick, breakpoint])));
  }

  visible(ops) {
    const shown = ops || this.ops;
    return (p) => shown || p.call.kind !== "op";
  }

  // Where a step in the selected call ends; a call without lines shows the calls that it makes.
  within(entry, exit) {
    const { position, selected } = this;
    const at = selected === 0 ? position.kind : null;
    const call = this.unlessAt(exit);
    const shown = this.visible(position.call.kind === "op");
    if (at === exit && call === this.call) return shown;
    const byCalls = !call.lines.length && (at !== entry || !call.around);
    return (p) => (p.call === call && p.kind !== entry) || (byCalls && p.kind === entry && p.call.around === call && shown(p));
  }

  // The selected call; standing at its start (or end), the next outer one.
  unlessAt(kind) {
    const there = this.selected === 0 && this.position.kind === kind;
    return (there && this.call.around) || this.call;
  }

  // To where the next stage begins; by -1 to where this one began, then the one before.
  toStage(by) {
    const { starts } = this.trace.data.labels;
    const found = by > 0 ? starts.find((tick) => tick > this.tick) : starts.findLast((tick) => tick < this.tick);
    if (found === undefined) refuse("stage");
    this.goto(found);
  }

  // --- breakpoints ---

  addBreakpoint(place, condition, { temporary = false, watch = false } = {}) {
    const location = watch ? { kind: "any" } : this.location(place);
    const positions = this.positions.filter(HOLDS[location.kind](location))
      .filter(({ call, line }) => [undefined, line ? line.round : call.nth].includes(location.nth));
    if (!positions.length) refuse("place", { text: place });
    const expression = condition || watch ? readCondition(condition, positions) : null;
    const ticks = this.ticksOf(location, expression, positions);
    const text = [place, condition].filter(Boolean).join(", ");
    const breakpoint = { number: ++this.numbered, location, text, ticks, ignored: [], temporary, enabled: true };
    this.breakpoints.push(breakpoint);
    return breakpoint;
  }

  remove(breakpoint) {
    this.breakpoints = this.breakpoints.filter((other) => other !== breakpoint);
  }

  // A call by name, FILE:LINE, a line of this file, or a stage; and which of them.
  location(place) {
    const [, name, number] = /^(.*?)(?:#(\d+))?$/s.exec(place);
    const nth = number && Number(number);
    const [, stage] = /^stage[ :]\s*(.+)$/s.exec(name) ?? [];
    if (stage) return { kind: "stage", name: stage, nth };
    const [, file, line] = /^(?:(.+):)?(\d+)$/s.exec(name) ?? [];
    const full = this.file(file ?? this.place?.file);
    if (line) return { kind: "line", name: full, line: this.statement(full, line), nth };
    return { kind: "call", name: name.trim(), nth };
  }

  // By which line a line is recorded.
  statement(file, line) { return this.trace.data.files[file]?.firsts[line] ?? Number(line); }

  // The one recorded file that a name is, or is the end of.
  file(name) {
    const [found = name, ...more] = [...this.trace.sources.keys()].filter((file) => [`/${name}`, `/${name}.py`].some((end) => `/${file}`.endsWith(end)));
    return this.trace.sources.has(name) || more.length ? name : found;
  }

  // Where a breakpoint stops: at a call's start, or its end where the condition is on its result.
  ticksOf({ kind }, expression, positions) {
    const asksResult = ({ args }) => RESULTS.some(
      (name) => expression?.names.has(name) && !args.items.some(([arg]) => arg === name));
    const places = ["call", "stage"].includes(kind)
      ? positions.filter((p) => p.kind === (asksResult(p.call) ? "end" : "start")) : positions;
    const truths = expression && this.truths(expression, places);
    const before = new Map();
    return places.filter(({ call }, i) => {
      // A watch stops where its condition begins to hold in a call.
      const was = kind === "any" && before.get(call);
      before.set(call, truths?.[i]);
      return (!truths || truths[i]) && !was;
    }).map(({ tick }) => tick);
  }

  // Whether a condition holds at each place; refused if it makes sense at none.
  truths(expression, places) {
    const found = places.map((position, i) => {
      const { call, line } = position;
      const counters = { nth: BigInt(call.nth), iteration: BigInt(line?.round ?? 0), hits: BigInt(i + 1) };
      return attempt(() => truth(expression.value(this.scope(position, call, counters))));
    });
    if (found.length && found.every((it) => it instanceof Refused)) throw found[0];
    return found.map((it) => it === true);
  }

  // Pass over a breakpoint's next places from here, in either direction.
  ignore(breakpoint, times) {
    breakpoint.ignored = breakpoint.ticks.filter((tick) => tick > this.tick).slice(0, times);
  }

  // --- looking ---

  // The names that an expression sees at a position, as values were at that moment.
  scope(position = this.position, call = this.call, counters = {}) {
    const { kind, tick } = position;
    const result = kind === "end" && position.call === call ? call.result : null;
    const read = (value) => {
      if (value.kind === "scalar") return value.scalar;
      return value.tensor ? new TensorView(current(value.tensor, tick), value.params) : new TreeView(value);
    };
    const fresh = () => [...changed(position).map(([, value]) => value), result].filter(Boolean).map(read);
    // undefined where the name is nothing here
    const get = (name) => {
      if (name === "__new__") return fresh();
      const value = held(call, name, tick) ?? (RESULTS.includes(name) ? result : null);
      if (value) return read(value);
      if (name === "self" && call.kind === "module") return read(moduleValue(this.trace.modules, call.path));
      return own(counters, name);
    };
    const { modules } = this.trace;
    const inside = ({ kind, text }) => (kind === "module" && text && modules.has(text) ? moduleValue(modules, text).items : []);
    return { get, read, fresh, inside, unknown };
  }

  // What `find` searches at a position: a call's names and shapes at its start, a line's text.
  searched({ kind, call, tick }) {
    if (kind === "start") return [call.label, call.type, ...call.shapes].join(" ");
    const place = kind === "line" && this.placeOf(call, tick);
    return this.trace.sources.get(place?.file)?.lines[place.line - 1]?.trim() ?? "";
  }
}

const RESULTS = ["__return__", "result"];

const unknown = (name) => refuse("name", { name });

// Its names have to be known to at least one of the calls.
function readCondition(text, positions) {
  const expression = parse(text);
  const bound = positions.flatMap(({ call }) => [...call.bound.keys()]);
  const all = new Set(["nth", "iteration", "hits", "torch", "self", ...RESULTS, ...bound]);
  for (const name of expression.names) if (!all.has(name)) unknown(name);
  return expression;
}

// A module of the traced model as a value: its settings, weights and children.
function moduleValue(modules, path) {
  const { type, settings, tensors, children } = modules.get(path) ?? unknown("self");
  const inner = children.filter(([, child]) => modules.has(child)).map(([name, child]) => [name, moduleValue(modules, child)]);
  const items = [...settings.map(([name, scalar]) => [name, { kind: "scalar", scalar }]), ...tensors, ...inner];
  return { kind: "module", items, elided: 0, brief: `${type} ${path}` };
}

// By kind of place: which positions are there.
const HOLDS = {
  any: () => ({ call }) => call.kind !== "op",
  line: (wanted) => ({ call: { source }, kind, line = kind === "start" && source }) =>
    source?.file === wanted.name && line.line === wanted.line,
  stage: ({ name }) => ({ call, line }) => !line && call.stage === name && call.around?.stage !== name,
  call: ({ name }) => {
    const patterns = [name, `*.${name}`].map(glob);
    return ({ call, line }) => !line && call.names.some((own) => patterns.some((pattern) => pattern.test(own)));
  },
};

// A regular expression for a pattern with `*`, `?` and `[…]`.
export function glob(pattern) {
  const source = pattern.replace(/\[(!?)([^\]]+)\]|[.+^${}()|\\[\]*?]/g, (mark, not, set) => {
    if (set) return `[${not ? "^" : ""}${set.replace(/[\\\]]/g, "\\$&")}]`;
    return { "*": ".*", "?": "." }[mark] ?? `\\${mark}`;
  });
  return new RegExp(`^${source}$`, "s");
}
