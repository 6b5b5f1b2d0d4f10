// The command language of the stepper: pdb's words and their reverses, as in tracer step.
import { parse, refuse, repr } from "./evaluate.js";
import { glob } from "./stepper.js";

// Returns what to say or the breakpoint that stopped.
export function command(cursor, line) {
  const [, word, argument] = /^\s*(\S*)\s*(.*?)\s*$/s.exec(line);
  const act = BY_WORD.get(word) ?? (() => word && show(cursor, line));
  return act(cursor, argument) ?? "";
}

// Single steps can be told how often, and to visit ops too.
function travel(cursor, move, by, argument) {
  const [, ops, times = "1"] = /^(ops?(?=\s|$))?\s*(0*[1-9]\d*)?$/.exec(argument) ?? refuse("argument", { text: argument });
  if ((argument && !["into", "over"].includes(move)) || (ops && move !== "into")) refuse("argument", { text: argument });
  let stop = null;
  for (let i = 0, before; i < Number(times) && !stop && before !== cursor.tick; i++) {
    before = cursor.tick;
    stop = cursor[move](by, Boolean(ops));
  }
  return stop;
}

const show = (cursor, text) => repr(parse(text).value(cursor.scope()));

function setBreakpoint(cursor, argument, temporary) {
  if (!argument) return cursor.breakpoints.map(({ number, text }) => `${number} ${text}`).join("\n");
  const [, place, condition] = /^([^,]*),?\s*(.*)$/s.exec(argument);
  return added(cursor.addBreakpoint(place.trim(), condition, { temporary }));
}

const added = ({ number, text, ticks }) => `${number}: ${text} (${ticks.length})`;

function each(cursor, argument, act) {
  const all = cursor.breakpoints;
  const named = argument ? all.filter((b) => b.text === argument) : all;
  const found = named.length || !argument ? named : argument.split(/\s+/).map((n) => all.find((b) => b.number === Number(n)));
  if (found.includes(undefined)) refuse("place", { text: argument });
  found.forEach(act);
}

function select(cursor, by) {
  const wanted = Math.min(Math.max(cursor.selected + by, 0), cursor.stack.length - 1);
  if (wanted === cursor.selected || Number.isNaN(wanted)) refuse("stack");
  cursor.selected = wanted;
}

function goto(cursor, argument) {
  const named = ({ label, path }) => [label, path || "(root)"].includes(argument);
  const tick = /^\d+$/.test(argument) ? Number(argument) : cursor.trace.calls.find(named)?.start;
  if (!cursor.at[tick]) refuse("place", { text: argument });
  cursor.goto(tick);
}

// To the next line, call, class or shape with a text; `*` is anything within a word.
function find(cursor, wanted) {
  const folded = wanted.toLowerCase();
  const test = glob(`*${folded}*`);
  const found = wanted && cursor.positions.slice(cursor.position.index + 1).find((position) => {
    const text = cursor.searched(position).toLowerCase();
    return text.includes(folded) || text.split(/\s+/).some((word) => test.test(word));
  });
  cursor.goto((found || refuse("place", { text: wanted })).tick);
}

const move = (name, by) => (cursor, argument) => travel(cursor, name, by, argument);

// What a command does with what is written after it.
const ACTS = {
  "s step": move("into", 1), "rs reverse-step": move("into", -1), "n next": move("over", 1), "rn reverse-next": move("over", -1),
  "r return": move("out", 1), "rr reverse-finish": move("out", -1),
  "c cont continue": move("on", 1), "rc reverse-continue": move("on", -1),
  first: (cursor) => cursor.goto(cursor.first),
  last: (cursor) => cursor.goto(cursor.last),
  "goto g": goto,
  "find /": find,
  "]": (cursor) => cursor.toStage(1),
  "[": (cursor) => cursor.toStage(-1),
  "u up": (cursor, levels) => select(cursor, Number(levels || 1)),
  "d down": (cursor, levels) => select(cursor, -Number(levels || 1)),
  "until unt": (cursor, line) => cursor.until(cursor.location(line).line),
  "b break": (cursor, place) => setBreakpoint(cursor, place, false),
  tbreak: (cursor, place) => setBreakpoint(cursor, place, true),
  watch: (cursor, condition) => added(cursor.addBreakpoint("", condition, { watch: true })),
  "cl clear": (cursor, which) => each(cursor, which, (b) => cursor.remove(b)),
  disable: (cursor, which) => each(cursor, which, (b) => { b.enabled = false; }),
  enable: (cursor, which) => each(cursor, which, (b) => { b.enabled = true; }),
  ignore: (cursor, argument) => {
    const [number, times = "0"] = argument.split(/\s+/);
    each(cursor, number, (b) => cursor.ignore(b, Number(times)));
  },
  "p pp": show,
};
const BY_WORD = new Map(Object.entries(ACTS).flatMap(([words, act]) => words.split(" ").map((word) => [word, act])));
