// The command language of the stepper: pdb's words and their reverses, as in tracer step.
import { parse, refuse, repr } from "./evaluate.js";
import { glob } from "./stepper.js";

// Returns what to say: a text, one of the page's as {key, values}, what a command does as {usage, told},
// or a list of these.
export function command(cursor, line) {
  const [, word, argument] = /^\s*(\S*)\s*(.*?)\s*$/s.exec(line);
  const act = BY_WORD.get(word) ?? (() => word && show(cursor, line));
  return act(cursor, argument) || "";
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
  return moved(cursor, stop);
}

const moved = (cursor, stop) => (stop ? said("stopped", cursor, stop) : cursor.tick === cursor.last && { key: "over" });

function said(key, { tick }, { number, text, ticks, ignored }) {
  const steps = ticks.slice(0, 4).join(", ") + (ticks.length > 4 ? ", …" : "");
  const hit = ticks.filter((it) => it <= tick).length;
  return { key, values: { number, text, steps, hit, all: ticks.length, ignored: ignored.length } };
}

const show = (cursor, text) => repr(parse(text).value(cursor.scope()));

function setBreakpoint(cursor, argument, temporary) {
  if (!argument) return cursor.breakpoints.map((it) => said("listed", cursor, it));
  const [, place, condition] = /^([^,]*),?\s*(.*)$/s.exec(argument);
  return said("added", cursor, cursor.addBreakpoint(place.trim(), condition, { temporary }));
}

function each(cursor, key, argument, act) {
  const all = cursor.breakpoints;
  const named = argument ? all.filter((b) => b.text === argument) : all;
  const found = named.length || !argument ? named : argument.split(/\s+/).map((n) => all.find((b) => b.number === Number(n)));
  if (found.includes(undefined)) refuse("breakpoint", { text: argument });
  return found.map((it) => {
    act(it);
    return said(key, cursor, it);
  });
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
  cursor.goto((found || refuse("found", { text: wanted })).tick);
}

// Of the stepper's commands those that are there, or what one of them does.
function help({ trace }, word) {
  if (word && !BY_WORD.has(word)) refuse("command", { text: word });
  const acts = trace.data.commands.map(([usage, told]) => ({ usage, told, act: BY_WORD.get(usage.split(" ")[0]) }));
  return acts.filter(({ act }) => (word ? act === BY_WORD.get(word) : act));
}

const move = (name, by) => (cursor, argument) => travel(cursor, name, by, argument);

// What a command does with what is written after it.
const ACTS = {
  "s step": move("into", 1), "rs reverse-step": move("into", -1), "n next": move("over", 1), "rn reverse-next": move("over", -1),
  "r return": move("out", 1), "rr reverse-finish": move("out", -1),
  "c cont continue": move("on", 1), "rc reverse-continue": move("on", -1),
  first: (cursor) => cursor.goto(cursor.first),
  last: (cursor) => moved(cursor, cursor.goto(cursor.last)),
  "goto g": goto,
  "find /": find,
  "]": (cursor) => cursor.toStage(1),
  "[": (cursor) => cursor.toStage(-1),
  "u up": (cursor, levels) => select(cursor, Number(levels || 1)),
  "d down": (cursor, levels) => select(cursor, -Number(levels || 1)),
  "until unt": (cursor, line) => moved(cursor, cursor.until(cursor.location(line).line)),
  "b break": (cursor, place) => setBreakpoint(cursor, place, false),
  tbreak: (cursor, place) => setBreakpoint(cursor, place, true),
  watch: (cursor, condition) => said("added", cursor, cursor.addBreakpoint("", condition, { watch: true })),
  "cl clear": (cursor, which) => each(cursor, "deleted", which, (b) => cursor.remove(b)),
  disable: (cursor, which) => each(cursor, "disabled", which, (b) => { b.enabled = false; }),
  enable: (cursor, which) => each(cursor, "enabled", which, (b) => { b.enabled = true; }),
  ignore: (cursor, argument) => {
    const [number, times = "0"] = argument.split(/\s+/);
    return each(cursor, "ignoring", number, (b) => cursor.ignore(b, Number(times)));
  },
  "p pp": show,
  "h help ?": help,
};
const BY_WORD = new Map(Object.entries(ACTS).flatMap(([words, act]) => words.split(" ").map((word) => [word, act])));
