// The command language of the stepper: pdb's words and their reverses, as in tracer step.
import { evaluate, parse, Refused, repr } from "./evaluate.js";
import { glob } from "./stepper.js";
import { brief } from "./text.js";

const MOVES = {
  s: "into", step: "into", rs: "backInto", "reverse-step": "backInto", n: "over", next: "over", rn: "backOver",
  "reverse-next": "backOver", r: "out", return: "out", rr: "backOut", "reverse-finish": "backOut",
  c: "on", cont: "on", continue: "on", rc: "backOn", "reverse-continue": "backOn",
};
const COUNTED = ["into", "backInto", "over", "backOver"];

/** Carry out one line; returns what to say, refuses what cannot be done. */
export function command(cursor, line) {
  const [, name, argument] = /^\s*(\S*)\s*(.*?)\s*$/s.exec(line);
  if (Object.hasOwn(MOVES, name)) return move(cursor, MOVES[name], argument);
  if (Object.hasOwn(COMMANDS, name)) return COMMANDS[name](cursor, argument) ?? "";
  return name ? show(cursor, line.trim()) : "";
}

function move(cursor, name, argument) {
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
  const added = cursor.addBreakpoint(place.trim(), { condition, temporary });
  return `${added.number}: ${added.text} (${added.ticks.length})`;
}

function picked(cursor, argument) {
  const all = [...cursor.breakpoints.values()];
  if (!argument) return all;
  const named = all.filter((b) => b.text === argument);
  const numbered = argument.split(/\s+/).map((n) => cursor.breakpoints.get(Number(n)));
  if (named.length) return named;
  if (numbered.includes(undefined)) throw new Refused("refused_place", { text: argument });
  return numbered;
}

function select(cursor, by) {
  const index = cursor.selected + by;
  if (index < 0 || index >= cursor.stack.length) throw new Refused("refused_stack");
  cursor.selected = index;
}

function goto(cursor, argument) {
  const found = /^\d+$/.test(argument) ? Number(argument) : namedCall(cursor.trace, argument)?.start;
  if (found == null || cursor.timeline.at(found).tick !== found) throw new Refused("refused_place", { text: argument });
  cursor.goto(found);
}

function namedCall(trace, text) {
  const [path, nth] = text.split("#");
  return trace.calls.find((c) => (c.path || "(root)") === path && (nth === undefined || String(c.nth) === nth));
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

function enable(cursor, argument, on) {
  for (const breakpoint of picked(cursor, argument)) breakpoint.enabled = on;
}

const COMMANDS = {
  first: (cursor) => cursor.goto(cursor.first),
  last: (cursor) => cursor.goto(cursor.last),
  goto,
  g: goto,
  find,
  "/": find,
  "]": (cursor) => toStage(cursor, 1),
  "[": (cursor) => toStage(cursor, -1),
  u: (cursor, argument) => select(cursor, Number(argument || 1)),
  up: (cursor, argument) => select(cursor, Number(argument || 1)),
  d: (cursor, argument) => select(cursor, -Number(argument || 1)),
  down: (cursor, argument) => select(cursor, -Number(argument || 1)),
  until: (cursor, argument) => { cursor.until(argument ? Number(argument) : null); },
  unt: (cursor, argument) => { cursor.until(argument ? Number(argument) : null); },
  b: setBreakpoint,
  break: setBreakpoint,
  tbreak: (cursor, argument) => setBreakpoint(cursor, argument, true),
  watch: (cursor, argument) => {
    const added = cursor.addBreakpoint("", { condition: argument, watch: true });
    return `${added.number}: ${added.text} (${added.ticks.length})`;
  },
  cl: (cursor, argument) => { for (const b of picked(cursor, argument)) cursor.breakpoints.delete(b.number); },
  clear: (cursor, argument) => { for (const b of picked(cursor, argument)) cursor.breakpoints.delete(b.number); },
  disable: (cursor, argument) => enable(cursor, argument, false),
  enable: (cursor, argument) => enable(cursor, argument, true),
  ignore: (cursor, argument) => {
    const [number, times = "0"] = argument.split(/\s+/);
    for (const b of picked(cursor, number)) cursor.ignore(b, Number(times));
  },
  p: show,
  pp: show,
};
