// Two recordings, their calls in pairs, and the step at hand in both; pair.py says what is known of them.
import { cursor, local, rec, refresh, shown, tell } from "./page.js";
import { Cursor, current, locals, stackOf } from "./stepper.js";

export const known = rec.data.pair;
rec.second.data.labels = known.labels;
const cursors = [cursor, new Cursor(rec.second)];

// A pair: its `calls`, one of them undefined where only the other recording has it, what differs, the pair `around`.
export const pairs = known.pairs.map(([first, second, status, moved, , inputs, results, settings], id) => ({
  id, status, moved, inputs, results, settings, children: [],
  calls: [first, second].map((tick, side) => cursors[side].at[tick]?.call),
}));
const pairOf = new Map(pairs.flatMap((pair) => pair.calls.filter(Boolean).map((call) => [call, pair])));
pairs.forEach((pair, i) => {
  pair.around = pairs[known.pairs[i][4]];
  pair.around?.children.push(pair);
  pair.call = pair.calls[0] ?? pair.calls[1];
  pair.depth = pair.around ? pair.around.depth + 1 : 0;
  pair.hasLines = pair.calls.some((call) => call?.lines.length);
});

// A step: the `ticks`, one of them null where only the other recording has it, and where each then `stands`.
const [firsts, seconds, owners] = known.steps;
let last = cursors.map((one) => one.first);
export const steps = owners.map((owner, index) => {
  const ticks = [firsts[index], seconds[index]];
  const at = ticks.map((tick, side) => cursors[side].at[tick]).find(Boolean);
  last = last.map((tick, side) => ticks[side] ?? tick);
  return { index, ticks, stands: last, pair: pairs[owner], kind: at.kind };
});
for (const step of steps) {
  step.pair.from ??= step.index;
  step.pair.to = step.index;
}

export const here = { step: steps[0], ops: false };

// Whether a recording has the step at hand.
export const has = (side, step = here.step) => step.ticks[side] != null;

export function go(step) {
  tell("");
  here.step = steps[Math.max(0, Math.min(step, steps.length - 1))];
  cursors.forEach((one, side) => one.goto(here.step.stands[side]));
  refresh();
}

// --- moving: forwards, or by -1 backwards ---

const visible = ({ pair }) => here.ops || pair.call.kind !== "op";

function run(by, goal) {
  let index = here.step.index + by;
  while (steps[index + by] && !goal(steps[index])) index += by;
  go(index);
}

const ends = (by) => (by > 0 ? ["start", "end"] : ["end", "start"]);

export const into = (by) => run(by, visible);

// Over what the call makes; one without lines shows the calls that it makes.
export function over(by) {
  const [entry, exit] = ends(by);
  const { pair, kind } = here.step;
  if (kind === exit) return run(by, visible);
  const isInner = (step) => step.kind === entry && step.pair.around === pair && visible(step);
  return run(by, (step) => (step.pair === pair && step.kind !== entry) || (!pair.hasLines && isInner(step)));
}

export function out(by) {
  const [, exit] = ends(by);
  const pair = here.step.kind === exit ? here.step.pair.around : here.step.pair;
  run(by, (step) => step.kind === exit && step.pair === pair);
}

export function toStage(by) {
  const starts = rec.data.labels.starts.map((tick) => steps.findIndex(({ ticks }) => ticks[0] === tick));
  const { index } = here.step;
  go((by > 0 ? starts.find((at) => at > index) : starts.findLast((at) => at < index)) ?? (by > 0 ? steps.length - 1 : 0));
}

// --- differences ---

const OWN = ["settings", "origin", "again", "inputs", "first", "second"];
const outermost = ({ status, around }) => !(["first", "second"].includes(status) && around?.status === status);
const shows = ({ status, moved }, all) => moved || (all ? status !== "same" && status !== "within" : OWN.includes(status));

// The pairs that differ by themselves, or `all`: also what follows from them.
export const differing = (all) => pairs.filter((pair) => outermost(pair) && shows(pair, all) && (here.ops || pair.call.kind !== "op" || pair.id === known.first));

// Where a pair is seen to differ: its result at the end, all else at its start.
export const placeOf = ({ results, from, to }) => (results.length ? to : from);

export const toDifference = (by, all) => {
  const places = differing(all).map(placeOf).sort((a, b) => a - b);
  const { index } = here.step;
  const found = by > 0 ? places.find((at) => at > index) : places.findLast((at) => at < index);
  if (found !== undefined) goToPair(steps[found].pair);
  return found !== undefined;
};

// To where a pair is seen to differ, with the tensors at hand that do.
export function goToPair(pair) {
  go(placeOf(pair));
  const [, , ...states] = [...pair.results, ...pair.inputs].find(([, , a, b]) => a != null && b != null) ?? [];
  if (!states.length) return;
  sides.forEach((side, i) => { side.shown.tensor = current(side.rec.tensors[states[i]], side.cursor.tick); });
  refresh();
}

// How two states differ, by their numbers: what was found wherever matched calls take or give them.
const apart = new Map(pairs.flatMap(({ inputs, results }) => [...inputs, ...results])
  .filter(([, , a, b]) => a != null && b != null).map(([, how, a, b, way]) => [`${a} ${b}`, [how, way]]));

export function statesDiffer(a, b) {
  return a && b && apart.get(`${a.id} ${b.id}`);
}

const now = (side, state) => current(state, cursors[side].tick);

// The value that a name holds, or a part of it; without a name the result.
function valueAt(side, name, path) {
  const { call, position, selected, tick } = cursors[side];
  const ended = selected === 0 && position.kind === "end";
  const value = name ? new Map(locals(call, tick)).get(name) : ended ? call.result : null;
  if (!path || !value) return value;
  const tensor = value.tensors.find(([at]) => at === path)?.[1];
  return tensor ? { tensor } : value.items.find(([at]) => at === path)?.[1];
}

// Whether what is looked at in both belongs together.
export const areMatched = () => {
  const [mine, other] = cursors.map(({ call }) => pairOf.get(call));
  return mine === other && here.step.pair.calls.every(Boolean);
};

function differences(side) {
  return (name, path, value) => {
    const other = areMatched() && valueAt(1 - side, name, path);
    if (!other) return null;
    const both = side ? [other, value] : [value, other];
    const states = both.map(({ tensor }, i) => tensor && now(i, tensor));
    if (!states.every(Boolean)) return told(...both.map(({ brief, tensor }) => brief ?? tensor?.shape ?? ""));
    const [how] = statesDiffer(...states) ?? statesDiffer(...both.map(({ tensor }) => tensor)) ?? [];
    return how ? local(how) : told(...states.map(({ shape }) => shape));
  };
}

const told = (a, b) => (a === b ? null : `${a} → ${b}`);

// The part of a call's values that is a state: [name, path].
function nameOf(side, state) {
  const { call, tick } = cursors[side];
  const values = [["", valueAt(side, "")], ...locals(call, tick)].filter(([, value]) => value);
  for (const [name, { tensors }] of values) {
    const found = tensors.find(([, tensor]) => now(side, tensor) === state);
    if (found) return [name, found[0]];
  }
  return null;
}

// What panes ask of a page (page.js), for each recording.
export const sides = [rec, rec.second].map((own, side) => ({
  rec: own, cursor: cursors[side], shown: side ? { tensor: null, pinned: false } : shown, difference: differences(side),
  go: (tick) => go(steps.findIndex(({ ticks }) => ticks[side] === tick)),
  pick(state) {
    sides[side].shown.tensor = state;
    const named = nameOf(side, state);
    const other = named && areMatched() && valueAt(1 - side, ...named);
    if (other?.tensor) sides[1 - side].shown.tensor = now(1 - side, other.tensor);
    refresh();
  },
  refresh() {
    const { selected } = cursors[side];
    cursors[1 - side].selected = Math.min(selected, stackOf(cursors[1 - side].position.call).length - 1);
    refresh();
  },
  // A line number leads to where that line runs next.
  toggleBreakpoint({ file, line }) {
    const runs = steps.filter(({ ticks }) => {
      const at = cursors[side].at[ticks[side]];
      return at?.line?.line === line && at.call.source?.file === file;
    });
    const next = runs.find(({ index }) => index > here.step.index) ?? runs[0];
    if (next) go(next.index);
  },
}));
