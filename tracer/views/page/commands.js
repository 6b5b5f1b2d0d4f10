// The command language of the stepper: pdb's words and their reverses, as in tracer step.
import { evaluate, parse, Refused, repr } from "./evaluate.js";
import { glob } from "./stepper.js";
import { brief } from "./text.js";

const MOVED = {
  into: "s step", backInto: "rs reverse-step", over: "n next", backOver: "rn reverse-next",
  out: "r return", backOut: "rr reverse-finish", on: "c cont continue", backOn: "rc reverse-continue",
};
const COUNTED = ["into", "backInto", "over", "backOver"];

/** Carry out one line; returns what to say, refuses what cannot be done. */
export function command(cursor, line) {
  const [, name, argument] = /^\s*(\S*)\s*(.*?)\s*$/s.exec(line);
  if (COMMANDS.has(name)) return COMMANDS.get(name)(cursor, argument) ?? "";
  return name ? show(cursor, line.trim()) : "";
}

function travel(cursor, name, argument) {
  const [, ops, times] = /^(ops?(?=\s|$))?\s*(\d*)$/.exec(argument) ?? [];
  if (times === undefined || (argument && !COUNTED.includes(name)) || (ops && !/into/i.test(name)) || times === "0") {
    throw new Refused("refused_argument", { text: argument });
  }
  let stop = null;
  for (let i = 0; i < Number(times || 1) && !stop; i++) stop = cursor[name](Boolean(ops));
  return stop ? `${stop.number}: ${stop.text}` : "";
}

function show(cursor, text) {
  const value = evaluate(parse(text).tree, cursor.scope());
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

function toStage(cursor, direction) {
  if (!cursor.toStage(direction)) throw new Refused("refused_stage");
}

const ACTS = {
  first: (cursor) => cursor.goto(cursor.first),
  last: (cursor) => cursor.goto(cursor.last),
  "goto g": goto,
  "find /": find,
  "]": (cursor) => toStage(cursor, 1),
  "[": (cursor) => toStage(cursor, -1),
  "u up": (cursor, argument) => selectBy(cursor, Number(argument || 1)),
  "d down": (cursor, argument) => selectBy(cursor, -Number(argument || 1)),
  "until unt": (cursor, argument) => { cursor.until(argument ? Number(argument) : null); },
  "b break": (cursor, argument) => setBreakpoint(cursor, argument),
  tbreak: (cursor, argument) => setBreakpoint(cursor, argument, true),
  watch: (cursor, argument) => added(cursor.addBreakpoint("", { condition: argument, watch: true })),
  "cl clear": (cursor, argument) => each(cursor, argument, (b) => cursor.breakpoints.delete(b.number)),
  disable: (cursor, argument) => each(cursor, argument, (b) => { b.enabled = false; }),
  enable: (cursor, argument) => each(cursor, argument, (b) => { b.enabled = true; }),
  ignore: (cursor, argument) => {
    const [number, times = "0"] = argument.split(/\s+/);
    each(cursor, number, (b) => cursor.ignore(b, Number(times)));
  },
  "p pp": show,
};
const COMMANDS = new Map([
  ...Object.entries(ACTS),
  ...Object.entries(MOVED).map(([move, names]) => [names, (cursor, argument) => travel(cursor, move, argument)]),
].flatMap(([names, act]) => names.split(" ").map((name) => [name, act])));
