// Expressions over recorded values, for conditions and `p`: the same small part of Python as
// tracer/stepper/evaluate.py. Nothing is ever handed to JavaScript's eval.
import { own, product } from "./record.js";

// What cannot be carried out; `key` is what the page says.
export class Refused extends Error {
  constructor(key, values = {}) {
    super(key);
    Object.assign(this, { key, values });
  }
}

// What an act gives, or why it was refused.
export function attempt(act) {
  try {
    return act();
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
}

export function refuse(key, values) { throw new Refused(key, values); }

const impossible = (what) => refuse("value", { what });

// --- reading: each rule gives a function that computes ---

// Numbers, strings, words ("is not" and "not in" are one), signs.
const TOKENS = [
  /(?<number>\d+\.?\d*(?:e[+-]?\d+)?|\.\d+)/u, /(?<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")/u,
  /(?<word>(?:is\s+not|not\s+in)(?!\w)|[\p{L}_][\p{L}\p{N}_]*)/u, /\*\*|\/\/|[<>=!]=|[-+*\/%<>()[\],.:]/u,
];
const TOKEN = new RegExp(`\\s*(?:${TOKENS.map(({ source }) => source).join("|")})`, "guy");
const MOST_DEEP = 40;
const MOST_LONG = 1000;

// How tightly a sign binds what stands before it.
const POWER = { if: 1, or: 2, and: 3, "+": 6, "-": 6, "*": 7, "/": 7, "//": 7, "%": 7, "**": 9, ".": 10, "[": 10 };
const [NOT, COMPARED, SIGNED] = [4, 5, 8];
for (const sign of ["in", "not in", "is", "is not", "==", "!=", "<", "<=", ">", ">="]) POWER[sign] = COMPARED;
const RESERVED = [...Object.keys(POWER), "not", "else", "lambda", "for"];
const CONSTANTS = { True: true, False: false, None: null };
const TORCH = {};

let text; // what is being read,
let tokens; // what is left of it,
let names; // the names that it looks up,
let depth;
let scope; // and where it is computed: get(name), read(value), fresh()

export function parse(given) {
  [text, names, depth] = [given.trimEnd(), new Set(), 0];
  const found = [...text.matchAll(TOKEN)];
  tokens = found.map(({ 0: token, groups }) => ({ ...groups, sign: token.trim().replace(/\s+/, " ") }));
  if (!text || text.length > MOST_LONG || found.map(([token]) => token).join("") !== text) fail();
  const compute = tuple();
  if (tokens.length) fail();
  return { names, value: (given) => { scope = given; return compute(); } };
}

const fail = () => refuse("expression", { text });

const next = () => tokens[0]?.sign;

const pop = () => tokens.shift() ?? fail();

const take = (sign) => next() === sign && Boolean(pop());

const expect = (sign) => take(sign) || fail();

function expression(power = 0) {
  if (++depth > MOST_DEEP) fail();
  let value = operand(power);
  while (POWER[next()] > power) value = combined(pop().sign, value);
  depth -= 1;
  return value;
}

// Expressions between commas up to `end`; one alone, without a comma, is itself.
function tuple(end, isList = false) {
  const items = [];
  let comma = true;
  while (comma && next() !== end) {
    items.push(expression());
    comma = take(",");
  }
  if (end) expect(end);
  return items.length === 1 && !comma && !isList ? items[0] : () => items.map((item) => item());
}

function operand(power) {
  const { number, string, word, sign } = pop();
  if (number) return () => Number(number);
  if (string) return () => string.slice(1, -1).replace(/\\(.)/g, "$1");
  if (sign === "(") return tuple(")");
  if (sign === "[") return tuple("]", true);
  if (sign === "+") return expression(SIGNED);
  if (sign === "-") return computed("-", () => 0, expression(SIGNED));
  if (sign === "not" && power < COMPARED) {
    const value = expression(NOT);
    return () => !truth(value());
  }
  if (!word || RESERVED.includes(word)) fail();
  return named(word);
}

function named(word) {
  if (Object.hasOwn(CONSTANTS, word)) return () => CONSTANTS[word];
  if (take("(")) {
    const args = tuple(")", true);
    return () => (own(FUNCTIONS, word) ?? impossible(word))(...args());
  }
  names.add(word);
  return () => (word === "torch" ? TORCH : scope.get(word));
}

// An operand with the sign that follows it, and what follows that.
function combined(sign, left) {
  if (sign === ".") return member(left);
  if (sign === "[") return indexed(left);
  if (sign === "if") return conditional(left);
  if (POWER[sign] === COMPARED) return comparison(sign, left);
  const right = expression(sign === "**" ? SIGNED : POWER[sign]);
  if (Object.hasOwn(OPERATORS, sign)) return computed(sign, left, right);
  return () => {
    const value = left();
    return truth(value) === (sign === "or") ? value : right();
  };
}

function member(left) {
  const name = pop().word ?? fail();
  const args = take("(") && tuple(")", true);
  return () => (args ? method(left(), name, args()) : attribute(left(), name));
}

function indexed(left) {
  const part = () => ([":", "]"].includes(next()) ? null : expression());
  const parts = [part()];
  while (take(":")) parts.push(part());
  expect("]");
  if (parts.length > 1) return () => sliced(left(), ...parts.map((end) => end?.()));
  const key = parts[0] ?? fail();
  return () => item(left(), key());
}

function conditional(body) {
  const test = expression(POWER.if);
  const other = take("else") ? expression() : fail();
  return () => (truth(test()) ? body : other)();
}

// a < b < c is a < b and b < c.
function comparison(sign, left) {
  const right = expression(COMPARED);
  const holds = () => COMPARE[sign](left(), right());
  if (POWER[next()] !== COMPARED) return holds;
  const others = comparison(pop().sign, right);
  return () => holds() && others();
}

// --- computing ---

const isTensor = (value) => Boolean(value?.summary);
const isTree = (value) => typeof value?.kind === "string"; // lists are read as arrays
const isPlain = (value) => typeof value === "number" || typeof value === "boolean";
const isText = (value) => typeof value === "string";

export function truth(value) {
  if (isTensor(value)) impossible("bool");
  if (isTree(value)) return value.kind !== "mapping" || lengthOf(value) > 0;
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function lengthOf(value) {
  if (isTensor(value)) return value.summary.shape[0];
  return isTree(value) ? value.items.length + value.elided : value?.length;
}

function attribute(value, name) {
  if (value === TORCH) return name;
  if (isTree(value)) return entry(value, name);
  const { id, summary } = isTensor(value) ? value : impossible(name);
  const { shape } = summary;
  return own({ ...summary, ndim: shape.length, numel: product(shape), state: id }, name) ?? impossible(name);
}

function entry({ items }, name) {
  const [, value] = items.find(([key]) => key === name) ?? impossible(name);
  return scope.read(value);
}

function method(value, name, args) {
  if (isTree(value) && !args.length) {
    if (name === "keys") return value.items.map(([key]) => key);
    if (name === "values") return value.items.map(([, it]) => scope.read(it));
  }
  const found = attribute(value, { size: "shape", dim: "ndim" }[name] ?? name);
  return name === "size" && args.length ? item(found, args[0]) : found;
}

function item(value, key) {
  if (isTree(value)) return entry(value, String(key));
  const isList = (Array.isArray(value) || isText(value)) && isPlain(key);
  const found = isList ? own(Object(value), key < 0 ? key + value.length : Number(key)) : undefined;
  return found === undefined ? impossible(`[${key}]`) : found;
}

function sliced(list, from, to, step) {
  if (!Array.isArray(list) && !isText(list)) impossible("[:]");
  return step == null || step === 1 ? list.slice(from ?? 0, to ?? list.length) : impossible("[::]");
}

const OPERATORS = {
  "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "**": (a, b) => a ** b,
  "/": (a, b) => a / b, "//": (a, b) => Math.floor(a / b), "%": (a, b) => a - b * Math.floor(a / b),
};

const computed = (sign, left, right) => () => calculate(sign, left(), right());

function calculate(sign, left, right) {
  if (sign === "+" && (isText(left) || Array.isArray(left)) && typeof left === typeof right) return left.concat(right);
  if (!isPlain(left) || !isPlain(right)) impossible(sign);
  const [a, b] = [Number(left), Number(right)];
  const result = ["/", "//", "%"].includes(sign) && b === 0 ? NaN : OPERATORS[sign](a, b);
  return Number.isFinite(result) || (b !== 0 && !(Number.isFinite(a) && Number.isFinite(b))) ? result : impossible(sign);
}

const ordered = (test) => (a, b) => {
  const fits = (isPlain(a) && isPlain(b)) || (isText(a) && isText(b));
  return fits ? test(a, b) : impossible("<");
};
const COMPARE = {
  in: (a, b) => contains(b, a), "not in": (a, b) => !contains(b, a),
  is: (a, b) => identical(a, b), "is not": (a, b) => !identical(a, b),
  "==": (a, b) => equal(a, b), "!=": (a, b) => !equal(a, b),
  "<": ordered((a, b) => a < b), "<=": ordered((a, b) => a <= b), ">": ordered((a, b) => a > b), ">=": ordered((a, b) => a >= b),
};

const identical = (a, b) => a === b && (a === null || typeof a === "boolean" || isTensor(a));

const equal = (a, b) => (isTensor(a) || isTensor(b) ? impossible("==") : same(a, b));

function same(a, b) {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((it, i) => same(it, b[i]));
  return a === b || (isPlain(a) && isPlain(b) && Number(a) === Number(b));
}

function contains(box, wanted) {
  if (isText(box) && isText(wanted)) return box.includes(wanted);
  if (isTree(box)) return box.items.some(([name]) => name === wanted);
  return Array.isArray(box) ? box.some((it) => same(it, wanted)) : impossible("in");
}

// --- functions ---

function tensorsIn(value) {
  if (isTensor(value)) return [value];
  if (isTree(value)) return (value.tensors ?? []).map(([, tensor]) => scope.read({ tensor }));
  return Array.isArray(value) ? value.flatMap(tensorsIn) : [];
}

const anywhere = (test) => (value = scope.fresh()) => tensorsIn(value).some(test);

const over = (name, several) => (first, ...others) => {
  if (!others.length && isTensor(first)) return first.summary[name] ?? impossible(name);
  const list = others.length ? [first, ...others] : first;
  return several && Array.isArray(list) && list.length ? several(list) : impossible(name);
};

const of = (fits, name, compute) => (value, ...others) => (fits(value) ? compute(value, ...others) : impossible(name));
const isNumber = (value) => typeof value === "number";
const [hasNan, hasInf] = ["nan", "inf"].map((name) => anywhere(({ summary }) => summary[name]));

const FUNCTIONS = {
  has_nan: hasNan, isnan: hasNan, has_inf: hasInf, isinf: hasInf,
  overwritten: anywhere((state) => state.previous != null),
  len: (value) => lengthOf(value) ?? impossible("len"),
  abs: of(isNumber, "abs", Math.abs),
  round: of(isNumber, "round", (it, digits = 0) => Number(it.toFixed(Math.min(Math.max(digits, 0), 20)))),
  any: of(Array.isArray, "any", (list) => list.some(truth)),
  all: of(Array.isArray, "all", (list) => list.every(truth)),
  min: over("min", (list) => Math.min(...list)), max: over("max", (list) => Math.max(...list)),
  sum: over("sum", (list) => list.reduce((a, b) => calculate("+", a, b))),
  mean: over("mean"), std: over("std"),
};

const PYTHON = { null: "None", true: "True", false: "False", NaN: "nan", Infinity: "inf", "-Infinity": "-inf" };

// What an expression gave, in a few words: a plain result as Python writes it.
export function repr(value) {
  if (isTensor(value)) return `${value.shape} ${value.summary.dtype}`;
  if (value?.brief) return value.brief;
  if (isText(value)) return `'${value}'`;
  if (Array.isArray(value)) return value.length === 1 ? `(${repr(value[0])},)` : `(${value.map(repr).join(", ")})`;
  return PYTHON[String(value)] ?? String(value);
}
