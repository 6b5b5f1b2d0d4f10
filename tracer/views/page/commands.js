// The command language of the stepper: pdb's words and their reverses, as in tracer step.
import { parse, Refused, repr } from "./evaluate.js";
import { glob } from "./stepper.js";
import { brief } from "./text.js";

/** Carry out one line; returns what to say, refuses what cannot be done. */
export function command(cursor, line) {
  const [, name, argument] = /^\s*(\S*)\s*(.*?)\s*$/s.exec(line);
  if (COMMANDS.has(name)) return COMMANDS.get(name)(cursor, argument) ?? "";
  return name ? show(cursor, line.trim()) : "";
}

/** Move `name`, as often as is said; single steps can be told to visit ops too. */
function travel(cursor, name, by, argument) {
  const [, ops, times] = /^(ops?(?=\s|$))?\s*(\d*)$/.exec(argument) ?? [];
  const counted = name === "into" || name === "over";
  if (times === undefined || (argument && !counted) || (ops && name !== "into") || times === "0") {
    throw new Refused("refused_argument", { text: argument });
  }
  let stop = null;
  for (let i = 0; i < Number(times || 1) && !stop; i++) stop = cursor[name](by, Boolean(ops));
  return stop ? `${stop.number}: ${stop.text}` : "";
}

function show(cursor, text) {
  const value = parse(text).value(cursor.scope());
  if (value?.summary) return `${brief(cursor.trace, { tensor: value.id })} ${value.summary.dtype}`;
  return repr(value) ?? brief(cursor.trace, value, 160);
}

function setBreakpoint(cursor, argument, temporary = false) {
  if (!argument) return [...cursor.breakpoints.values()].map((b) => `${b.number} ${b.text}`).join("\n");
  const [, place, condition] = /^([^,]*),?\s*(.*)$/s.exec(argument);
  return added(cursor.addBreakpoint(place.trim(), { condition, temporary }));
}

const added = ({ number, text, ticks }) => `${number}: ${text} (${ticks.length})`;

/** Do something to the breakpoints that are named, all of them if none is. */
function each(cursor, argument, act) {
  const all = [...cursor.breakpoints.values()];
  const named = argument ? all.filter((b) => b.text === argument) : all;
  const found = named.length || !argument ? named : argument.split(/\s+/).map((n) => cursor.breakpoints.get(Number(n)));
  if (found.includes(undefined)) throw new Refused("refused_place", { text: argument });
  for (const breakpoint of found) act(breakpoint);
}

function selectBy(cursor, by) {
  const index = cursor.selected + by;
  if (index < 0 || index >= cursor.stack.length) throw new Refused("refused_stack");
  cursor.selected = index;
}

function goto(cursor, argument) {
  const [path, nth] = argument.split("#");
  const tick = /^\d+$/.test(argument) ? Number(argument) : cursor.trace.calls.find(
    (c) => (c.path || "(root)") === path && (nth === undefined || String(c.nth) === nth))?.start;
  if (tick == null || cursor.timeline.at(tick).tick !== tick) throw new Refused("refused_place", { text: argument });
  cursor.goto(tick);
}

/** To the next line, call, class or shape with a text; `*` stands for anything within a word. */
function find(cursor, wanted) {
  const { timeline } = cursor;
  const folded = wanted.toLowerCase();
  const test = glob(folded);
  const positions = timeline.positions.slice(timeline.index(cursor.tick) + 1);
  const found = wanted && positions.find((position) => {
    const text = cursor.searched(position).toLowerCase();
    return text.includes(folded) || text.split(/\s+/).some((word) => test.test(word));
  });
  if (!found) throw new Refused("refused_place", { text: wanted });
  cursor.goto(found.tick);
}

function toStage(cursor, by) {
  if (!cursor.toStage(by)) throw new Refused("refused_stage");
}

/** By its words what a command does with what is written after it. */
const ACTS = {
  first: (cursor) => cursor.goto(cursor.first),
  last: (cursor) => cursor.goto(cursor.last),
  "goto g": goto,
  "find /": find,
  "]": (cursor) => toStage(cursor, 1),
  "[": (cursor) => toStage(cursor, -1),
  "u up": (cursor, levels) => selectBy(cursor, Number(levels || 1)),
  "d down": (cursor, levels) => selectBy(cursor, -Number(levels || 1)),
  "until unt": (cursor, line) => { cursor.until(line ? Number(line) : null); },
  "b break": setBreakpoint,
  tbreak: (cursor, place) => setBreakpoint(cursor, place, true),
  watch: (cursor, condition) => added(cursor.addBreakpoint("", { condition, watch: true })),
  "cl clear": (cursor, which) => each(cursor, which, (b) => cursor.breakpoints.delete(b.number)),
  disable: (cursor, which) => each(cursor, which, (b) => { b.enabled = false; }),
  enable: (cursor, which) => each(cursor, which, (b) => { b.enabled = true; }),
  ignore: (cursor, argument) => {
    const [number, times = "0"] = argument.split(/\s+/);
    each(cursor, number, (b) => cursor.ignore(b, Number(times)));
  },
  "p pp": show,
};
const MOVED = {
  "s step": ["into", 1], "rs reverse-step": ["into", -1], "n next": ["over", 1], "rn reverse-next": ["over", -1],
  "r return": ["out", 1], "rr reverse-finish": ["out", -1], "c cont continue": ["on", 1], "rc reverse-continue": ["on", -1],
};
for (const [words, [name, by]] of Object.entries(MOVED)) {
  ACTS[words] = (cursor, argument) => travel(cursor, name, by, argument);
}
const COMMANDS = new Map(Object.entries(ACTS).flatMap(
  ([words, act]) => words.split(" ").map((word) => [word, act])));
