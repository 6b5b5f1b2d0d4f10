// Expressions over recorded values, for conditions and `p`: the same small part of Python as
// tracer/stepper/evaluate.py, to the digit: a whole number is a BigInt, a float a Number. Values of
// tensors are not in reach. Nothing is ever handed to JavaScript's eval.
import { own } from "./record.js";

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
const D = "\\d(?:_?\\d)*";
const TOKENS = [
  `(?<number>(?:${D}\\.(?:${D})?|\\.${D})(?:[eE][+-]?${D})?(?!\\w)|${D}[eE][+-]?${D}(?!\\w))`,
  "(?<whole>(?:0[xX](?:_?[\\da-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?0)*|[1-9](?:_?\\d)*)(?![\\w.]))",
  "(?<string>[rRuU]?(?:'(?:[^'\\\\]|\\\\.)*'|\"(?:[^\"\\\\]|\\\\.)*\"))",
  "(?<word>(?:is\\s+not|not\\s+in)(?!\\w)|[\\p{L}_][\\p{L}\\p{N}_]*)", "(?:\\*\\*|//|[<>=!]=|[-+*/%<>()[\\],.:])",
];
const TOKEN = new RegExp(`\\s*(?:${TOKENS.join("|")})`, "guy");
const MOST_DEEP = 40;
const MOST_BRACKETS = 200;
const MOST_LONG = 1000;
const MOST_BITS = 4096; // of a whole number that is made
const MOST_MADE = 100_000; // characters of a text or entries of a tuple

// How tightly a sign binds what stands before it.
const POWER = { if: 1, or: 2, and: 3, "+": 6, "-": 6, "*": 7, "/": 7, "//": 7, "%": 7, "**": 9, ".": 10, "[": 10, "(": 10 };
const [NOT, COMPARED, SIGNED] = [4, 5, 8];
for (const sign of ["in", "not in", "is", "is not", "==", "!=", "<", "<=", ">", ">="]) POWER[sign] = COMPARED;
const RESERVED = new Set([...Object.keys(POWER), ..."not else lambda for as assert async await break class continue def del elif except finally from global import nonlocal pass raise return try while with yield".split(" ")]);
const CONSTANTS = { True: true, False: false, None: null };
const TORCH = {};
const DTYPES = "float16 bfloat16 float32 float64 complex64 complex128 bool uint8 int8 int16 int32 int64".split(" ");

let text; // what is being read,
let tokens; // what is left of it,
let names; // the names that it looks up,
let brackets; // how many are open,
let scope; // and where it is computed: get(name), read(value), fresh()

export function parse(given) {
  [text, names, brackets] = [given.trim(), new Set(), 0];
  if (!text || [...text].length > MOST_LONG) fail();
  const found = [...text.matchAll(TOKEN)];
  tokens = found.map(({ 0: token, groups }) => ({ ...groups, sign: token.trim().replace(/\s+/, " ") }));
  if (found.map(([token]) => token).join("") !== text) fail();
  const { run } = tuple();
  if (tokens.length) fail();
  return { names, value: (given) => { scope = given; return run(); } };
}

const fail = () => refuse("expression", { text });

const next = () => tokens[0]?.sign;

const pop = () => tokens.shift() ?? fail();

const take = (sign) => next() === sign && Boolean(pop());

const expect = (sign) => take(sign) || fail();

// A part of the expression: what computes it, and how deep it nests.
function node(run, ...parts) {
  const depth = 1 + Math.max(0, ...parts.map((part) => part.depth));
  return depth > MOST_DEEP ? fail() : { run, depth };
}

function expression(power = 0) {
  let value = operand(power);
  while (POWER[next()] > power) value = combined(pop().sign, value);
  return value;
}

// Expressions between commas up to `end`.
function list(end) {
  if (++brackets > MOST_BRACKETS) fail();
  const items = [];
  let comma = true;
  while (comma && next() !== end && (end || tokens.length || !items.length)) {
    items.push(expression());
    comma = take(",");
  }
  if (end) expect(end);
  brackets -= 1;
  return { items, comma };
}

// One alone, without a comma, is itself.
function tuple(end, isList = false) {
  const { items, comma } = list(end);
  return items.length === 1 && !comma && !isList ? items[0] : node(() => items.map((item) => item.run()), ...items);
}

function operand(power) {
  const { number, whole, string, word, sign } = pop();
  const constant = (value) => node(() => value);
  if (number) return constant(Number(number.replaceAll("_", "")));
  if (whole) return constant(BigInt(whole.replaceAll("_", "")));
  if (string) return constant(strings(string));
  if (sign === "(") return tuple(")");
  if (sign === "[") return tuple("]", true);
  if (sign === "+" || sign === "-") {
    const value = expression(SIGNED);
    return node(() => signed(sign, value.run()), value);
  }
  if (sign === "not" && power < COMPARED) {
    const value = expression(NOT);
    return node(() => !truth(value.run()), value);
  }
  if (!word || RESERVED.has(word)) fail();
  if (Object.hasOwn(CONSTANTS, word)) return constant(CONSTANTS[word]);
  if (next() !== "(") names.add(word);
  return Object.assign(node(() => scope.get(word) ?? (word === "torch" ? TORCH : scope.unknown(word))), { word });
}

// Texts beside one another are one.
function strings(first) {
  let found = unquoted(first);
  while (tokens[0]?.string) found += unquoted(pop().string);
  return found;
}

const ESCAPES = { n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v", "\\": "\\", "'": "'", '"': '"' };

function unquoted(string) {
  const inner = string.replace(/^\w?./, "").slice(0, -1);
  if (/^[rR]/.test(string)) return inner;
  return inner.replace(/\\(?:([0-7]{1,3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))/gsu, (all, octal, x, u, U, char) => {
    const code = octal ? parseInt(octal, 8) : parseInt(x ?? u ?? U, 16);
    if (!char) return code > 0x10ffff ? fail() : String.fromCodePoint(code);
    return "xuUN".includes(char) ? fail() : ESCAPES[char] ?? all;
  });
}

// An operand with the sign that follows it, and what follows that.
function combined(sign, left) {
  if (sign === ".") return member(left);
  if (sign === "[") return indexed(left);
  if (sign === "(") return called(left);
  if (sign === "if") return conditional(left);
  if (sign === "and" || sign === "or") return logical(sign, left);
  if (POWER[sign] === COMPARED) return comparison(sign, left);
  const right = expression(sign === "**" ? SIGNED : POWER[sign]);
  return node(() => calculate(sign, left.run(), right.run()), left, right);
}

function logical(sign, left) {
  const parts = [left];
  do parts.push(expression(POWER[sign])); while (take(sign));
  return node(() => {
    let value;
    for (const part of parts) if (truth(value = part.run()) === (sign === "or")) break;
    return value;
  }, ...parts);
}

function member(owner) {
  const { word: name } = pop();
  if (!name || RESERVED.has(name) || Object.hasOwn(CONSTANTS, name)) fail();
  return Object.assign(node(() => attribute(owner.run(), name), owner), { owner, name });
}

function called(left) {
  const { items } = list(")");
  const { owner, name, word } = left;
  const args = () => items.map((item) => item.run());
  return node(() => {
    if (owner) return method(owner.run(), name, args);
    const act = own(FUNCTIONS, word ?? "") ?? impossible(`${word ?? ""}()`);
    const given = args();
    // As in Python, where it counts what a function takes.
    return given.length < act.least || given.length > act.most ? impossible(`${word}()`) : act(...given);
  }, left, ...items);
}

function indexed(left) {
  const keys = [];
  let comma = true;
  while (comma && (next() !== "]" || !keys.length)) {
    keys.push(subscript());
    comma = take(",");
  }
  expect("]");
  const key = keys.length > 1 || comma ? node(() => keys.map((one) => one.run()), ...keys) : keys[0];
  return node(() => item(left.run(), key.run()), left, key);
}

// What stands between brackets: an expression or a slice.
function subscript() {
  const part = () => ([":", "]", ","].includes(next()) ? null : expression());
  const parts = [part()];
  while (parts.length < 3 && take(":")) parts.push(part());
  if (parts.length === 1) return parts[0] ?? fail();
  return node(() => new Slice(parts.map((end) => end && end.run())), ...parts.filter(Boolean));
}

class Slice {
  constructor(parts) { this.parts = parts; }
}

function conditional(body) {
  const test = expression(POWER.if);
  const other = take("else") ? expression() : fail();
  return node(() => (truth(test.run()) ? body : other).run(), test, body, other);
}

// a < b < c is a < b and b < c.
function comparison(sign, first) {
  const [signs, parts] = [[sign], [first, expression(COMPARED)]];
  while (POWER[next()] === COMPARED) {
    signs.push(pop().sign);
    parts.push(expression(COMPARED));
  }
  return node(() => {
    let left = parts[0].run();
    return signs.every((one, i) => COMPARE[one](left, left = parts[i + 1].run()));
  }, ...parts);
}

// --- values: what was recorded, and what Python would make of it ---

// A tensor as it was recorded; of a parameter, how many values it has and how many learn.
export class TensorView {
  constructor(state, params) { Object.assign(this, { state, params }); }
}

// A recorded list, dict, object or module.
export class TreeView {
  constructor(value) { this.value = value; }
}

const isTensor = (value) => value instanceof TensorView;
const isTree = (value) => value instanceof TreeView;
const isSequence = (value) => isTree(value) && value.value.kind === "sequence";
const isWhole = (value) => typeof value === "bigint" || typeof value === "boolean";
const isPlain = (value) => isWhole(value) || typeof value === "number";
const isText = (value) => typeof value === "string";
const isList = Array.isArray;

export function truth(value) {
  if (isTensor(value)) impossible("bool");
  if (isTree(value)) return !["mapping", "sequence"].includes(value.value.kind) || lengthOf(value) > 0;
  if (isText(value) || isList(value)) return value.length > 0;
  return value !== null && value != 0; // NaN is true
}

// Of a tensor its first axis, of a text its characters.
function lengthOf(value) {
  if (isTensor(value)) return value.state.summary.shape[0] ?? impossible("len");
  if (isTree(value)) return value.value.items.length + value.value.elided;
  return isText(value) || isList(value) ? [...value].length : impossible("len");
}

// Keys of a mapping, the values of anything else; what was left out of the recording is not there.
function* entries(value) {
  if (!isTree(value)) return yield* isText(value) || isList(value) ? value : impossible("for");
  const { kind, items, elided } = value.value;
  for (const [name, inner] of items) yield kind === "mapping" ? name : scope.read(inner);
  if (elided) impossible(`[${items.length}]`);
}

const listed = (value) => (isSequence(value) ? [...entries(value)] : value);

function attribute(value, name) {
  if (value === TORCH) return DTYPES.includes(name) ? name : impossible(name);
  if (isTree(value)) return entry(value, name);
  return isTensor(value) ? own(facts(value), name) ?? impossible(name) : impossible(name);
}

function facts({ state: { id, summary }, params }) {
  const { dtype, device, min, max, mean, std, zeros, nan, inf } = summary;
  const [shape, histogram] = [summary.shape, summary.histogram].map((list) => list.map(BigInt));
  const [ndim, numel] = [BigInt(shape.length), shape.reduce((a, b) => a * b, 1n)];
  const whole = { nan: nan == null ? nan : BigInt(nan), inf: inf == null ? inf : BigInt(inf), state: BigInt(id) };
  return { dtype, device, min, max, mean, std, zeros, ...whole, shape, histogram, ndim, numel, requires_grad: params && params[1] > 0 };
}

function entry({ value }, name) {
  const [, found] = [...value.items, ...scope.inside(value)].find(([key]) => key === name) ?? impossible(name);
  return scope.read(found);
}

function method(value, name, args) {
  const given = args();
  if (isTree(value) && !given.length) {
    if (name === "keys") return value.value.items.map(([key]) => key);
    if (name === "values") return value.value.items.map(([, it]) => scope.read(it));
  }
  const found = attribute(value, { size: "shape", dim: "ndim" }[name] ?? name);
  if (name === "size" && given.length === 1 && isList(found)) return item(found, given[0]);
  return given.length ? impossible(`${name}()`) : found;
}

function item(value, key) {
  if (key instanceof Slice) return sliced(value, key.parts);
  if (isTree(value) && !isSequence(value)) return entry(value, isText(key) || isWhole(key) ? String(key) : impossible("[]"));
  if (!isWhole(key) || !(isSequence(value) || isList(value) || isText(value))) impossible("[]");
  return at(value, BigInt(key));
}

// The entry of a sequence under an index, from its end where that is negative.
function at(value, key) {
  const index = key < 0n ? key + BigInt(lengthOf(value)) : key;
  const found = (isTree(value) ? value.value.items : [...value])[index] ?? impossible(`[${key}]`);
  return isTree(value) ? scope.read(found[1]) : found;
}

function sliced(value, parts) {
  if (!isSequence(value) && !isList(value) && !isText(value)) impossible("[:]");
  const [from, to, step] = [...parts, null, null].map((part) => (part === null ? null : isWhole(part) ? BigInt(part) : impossible("[:]")));
  const [length, by] = [BigInt(lengthOf(value)), step ?? 1n];
  if (by === 0n) impossible("[::0]");
  const [low, high] = by > 0n ? [0n, length] : [-1n, length - 1n];
  const end = (part, otherwise) => {
    const index = part === null ? otherwise : part < 0n ? part + length : part;
    return index < low ? low : index > high ? high : index;
  };
  const stop = end(to, by > 0n ? high : low);
  const found = [];
  const source = isTree(value) ? value : [...value];
  for (let i = end(from, by > 0n ? low : high); by > 0n ? i < stop : i > stop; i += by) found.push(at(source, i));
  return isText(value) ? found.join("") : found;
}

// --- arithmetic ---

const whole = (value) => (typeof value === "boolean" ? BigInt(value) : value);

const float = (value) => (Math.abs(Number(value)) === Infinity && typeof value === "bigint" ? impossible("float") : Number(value));

function signed(sign, value) {
  if (!isPlain(value)) impossible(sign);
  return sign === "-" ? -whole(value) : whole(value);
}

function calculate(sign, left, right) {
  const [a, b] = [left, right].map((value) => whole(listed(value)));
  if ([isText, isList].some((fits) => sign === "+" && fits(a) && fits(b) && a.length + b.length <= MOST_MADE)) return a.concat(b);
  if (!isPlain(a) || !isPlain(b)) impossible(sign);
  return isWhole(a) && isWhole(b) ? OF_WHOLE[sign](bounded(sign, a, b), b) : OF_FLOATS[sign](float(a), float(b));
}

const absolute = (value) => (value < 0 ? -value : value);

const bits = (value) => (value === 0n ? 0 : absolute(value).toString(2).length);

// The first operand, if the result cannot outgrow the limit.
function bounded(sign, a, b) {
  const size = sign === "**" ? BigInt(bits(a)) * absolute(b) : bits(a) + bits(b);
  return size > MOST_BITS ? impossible(sign) : a;
}

const unlessZero = (compute) => (a, b) => (b == 0 ? impossible("/ 0") : compute(a, b));
const modulo = (a, b) => ((a % b) + b) % b;

const OF_WHOLE = {
  "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": unlessZero(quotient),
  "//": unlessZero((a, b) => (a - modulo(a, b)) / b), "%": unlessZero(modulo),
  "**": (a, b) => (b < 0n ? OF_FLOATS["**"](float(a), float(b)) : a ** b),
};

// The float next to a / b: from 66 bits of it and whether there is more.
function quotient(a, b) {
  if (a === 0n) return b < 0n ? -0 : 0;
  const shift = bits(b) - bits(a) + 66;
  const [above, below] = [absolute(a) << BigInt(Math.max(shift, 0)), absolute(b) << BigInt(Math.max(-shift, 0))];
  const near = Number((above / below) | BigInt(above % below > 0n));
  const half = Math.trunc(shift / 2);
  const found = near * 2 ** -half * 2 ** (half - shift);
  return found === Infinity ? impossible("/") : (a < 0n) === (b < 0n) ? found : -found;
}

const OF_FLOATS = {
  "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": unlessZero((a, b) => a / b),
  "//": unlessZero((a, b) => divided(a, b)[0]), "%": unlessZero((a, b) => divided(a, b)[1]), "**": power,
};

// Quotient and remainder; the remainder has the divisor's sign.
function divided(a, b) {
  let rest = a % b;
  let times = (a - rest) / b;
  if (rest && (b < 0) !== (rest < 0)) [rest, times] = [rest + b, times - 1];
  if (!rest) rest = b < 0 ? -0 : 0;
  const down = Math.floor(times);
  if (!times) return [a / b < 0 || Object.is(a / b, -0) ? -0 : 0, rest];
  return [times - down > 0.5 ? down + 1 : down, rest];
}

function power(a, b) {
  if (a === 1 || (a === -1 && Math.abs(b) === Infinity)) return 1;
  const found = a ** b;
  const isNew = !Number.isFinite(found) && Number.isFinite(a) && Number.isFinite(b);
  return isNew || (a === 0 && b < 0) ? impossible("**") : found;
}

// --- comparing ---

const COMPARE = {
  in: (a, b) => contains(b, a), "not in": (a, b) => !contains(b, a),
  is: (a, b) => identical(a, b), "is not": (a, b) => !identical(a, b),
  "==": (a, b) => equal(...valued(a, b)), "!=": (a, b) => !equal(...valued(a, b)),
  "<": (a, b) => ordered((x, y) => x < y, ...valued(a, b)), "<=": (a, b) => ordered((x, y) => x <= y, ...valued(a, b)),
  ">": (a, b) => ordered((x, y) => x > y, ...valued(a, b)), ">=": (a, b) => ordered((x, y) => x >= y, ...valued(a, b)),
};

// The two, unless it is their values in full that would be compared.
const valued = (...both) => (both.some(isTensor) ? impossible("data") : both);

function identical(a, b) {
  if (isTensor(a) && isTensor(b)) return a.state === b.state;
  return a === b && (a === null || typeof a === "boolean");
}

function equal(left, right) {
  const [a, b] = [listed(left), listed(right)];
  if (isList(a) && isList(b)) return a.length === b.length && a.every((it, i) => equal(it, b[i]));
  if (isTensor(a) || isTensor(b)) return identical(a, b);
  if ([a, b].some((it) => isTree(it) || it === TORCH)) impossible("==");
  return isPlain(a) && isPlain(b) ? whole(a) == whole(b) : a === b;
}

function ordered(holds, left, right) {
  const [a, b] = [listed(left), listed(right)];
  if (isText(a) && isText(b)) return ordered(holds, ...[a, b].map((it) => [...it].map((char) => char.codePointAt(0))));
  if (isList(a) && isList(b)) {
    const i = a.findIndex((it, n) => n >= b.length || !equal(it, b[n]));
    return i < 0 || i >= b.length ? holds(a.length, b.length) : ordered(holds, a[i], b[i]);
  }
  return isPlain(a) && isPlain(b) ? holds(whole(a), whole(b)) : impossible("<");
}

function contains(box, wanted) {
  if (isText(box)) return isText(wanted) ? box.includes(wanted) : impossible("in");
  for (const it of entries(box)) if (equal(it, wanted)) return true;
  return false;
}

// --- functions ---

function leaves({ kind, tensor, items = [] }) {
  if (tensor) return [tensor];
  return kind === "module" ? [] : items.flatMap(([, item]) => leaves(item));
}

function tensorsIn(value) {
  if (isTensor(value)) return [value.state];
  if (isTree(value)) return leaves(value.value).map((tensor) => scope.read({ tensor }).state);
  return isList(value) ? value.flatMap(tensorsIn) : [];
}

// With how many arguments a function can be called.
const taking = (least, most, act) => Object.assign(act, { least, most });

const anywhere = (name, least, isSo) => taking(least, 1, (value = scope.fresh()) =>
  typeof value === "number" ? isSo(value) : tensorsIn(value).some(({ summary }) => summary[name]));
const isInfinite = (value) => Math.abs(value) === Infinity;

const over = (name, several) => taking(1, Infinity, (first, ...others) => {
  if (!others.length && isTensor(first)) return own(facts(first), name) ?? impossible(name);
  if (!several) impossible(name);
  return several(others.length ? [first, ...others] : [...entries(first)]);
});

// The one that comes before all others.
const best = (name, holds) => over(name, (list) =>
  list.length ? list.reduce((a, b) => (ordered(holds, b, a) ? b : a)) : impossible(name));

const sum = taking(1, 1, (value) => [...entries(isTensor(value) ? impossible("sum") : value)].map(
  (it) => (isPlain(it) ? it : impossible("sum"))).reduce(
  (a, b) => (isWhole(a) && isWhole(b) ? a + whole(b) : float(a) + float(b)), 0n));

const logicalOf = (isSo) => taking(1, 1, (value) => {
  for (const it of entries(value)) if (truth(it) === isSo) return isSo;
  return !isSo;
});

// To the nearest whole number, of two to the even one.
function nearest(above, below) {
  const rest = modulo(above, below);
  const down = (above - rest) / below;
  return 2n * rest > below || (2n * rest === below && down % 2n) ? down + 1n : down;
}

function round(value, given) {
  const digits = given === undefined || isWhole(given) ? BigInt(given ?? 0) : impossible("round");
  if (absolute(digits) > 20n || !isPlain(value)) impossible("round");
  const [up, down] = digits < 0n ? [1n, 10n ** -digits] : [10n ** digits, 1n];
  if (isWhole(value)) return nearest(whole(value), down) * down;
  if (!Number.isFinite(value)) return given === undefined ? impossible("round") : value;
  let [parts, below] = [value, 1n];
  for (; !Number.isInteger(parts); below *= 2n) parts *= 2; // exact: a float is a whole number of these
  const found = nearest(BigInt(parts) * up, below * down);
  if (given === undefined) return found;
  const rounded = Number(`${found}e${-digits}`);
  return found === 0n && (value < 0 || Object.is(value, -0)) ? -0 : rounded;
}

const FUNCTIONS = {
  has_nan: anywhere("nan", 0, Number.isNaN), isnan: anywhere("nan", 1, Number.isNaN),
  has_inf: anywhere("inf", 0, isInfinite), isinf: anywhere("inf", 1, isInfinite),
  overwritten: taking(1, 1, (value) => tensorsIn(value).some((state) => state.previous != null)),
  len: taking(1, 1, (value) => BigInt(lengthOf(value))),
  abs: taking(1, 1, (value) => (typeof value === "number" ? Math.abs(value) : isPlain(value) ? absolute(whole(value)) : impossible("abs"))),
  round: taking(1, 2, round), any: logicalOf(true), all: logicalOf(false), sum,
  min: best("min", (a, b) => a < b), max: best("max", (a, b) => a > b), mean: over("mean"), std: over("std"),
};

// --- writing ---

const WIDTH = 160;
const MOST_ITEMS = 20;
const MOST_DECIMAL = 10_000; // bits

// What an expression gave, in a few words: a plain result as Python writes it.
export function repr(value) {
  if (isTensor(value)) return described(value.state);
  if (isTree(value)) return value.value.brief;
  return clipped(written(value));
}

function described({ summary: { shape, dtype, zeros }, ends, numbers, bad, previous, name }) {
  const known = [...numbers.filter(([key]) => key !== "zeros").map((row) => row.join(" ")), ...bad.map((row) => row.join(" ×"))];
  return [`[${shape.join(", ")}] ${dtype}`, ends.join(" … "), ...known, zeros > 0 && `zeros ${Math.round(100 * zeros)}%`,
    previous != null && "written in place", name].filter(Boolean).join("  ");
}

function clipped(line) {
  const chars = [...line];
  return chars.length > WIDTH ? `${chars.slice(0, WIDTH - 1).join("")}…` : line;
}

function written(value) {
  if (value === TORCH) return "torch";
  if (isText(value)) return quoted(value);
  if (typeof value === "number") return decimal(value);
  if (typeof value === "bigint") return bits(value) > MOST_DECIMAL ? `${value < 0n ? "-" : ""}0x${absolute(value).toString(16)}` : String(value);
  if (!isList(value)) return value === null ? "None" : value ? "True" : "False";
  const end = value.length > MOST_ITEMS ? ", …" : value.length === 1 ? "," : "";
  return `(${value.slice(0, MOST_ITEMS).map(repr).join(", ")}${end})`;
}

// A float in the fewest digits that give it back.
function decimal(value) {
  if (!Number.isFinite(value)) return { NaN: "nan", Infinity: "inf", "-Infinity": "-inf" }[value];
  const [digits, exponent] = value.toExponential().split("e");
  if (exponent < -4 || exponent >= 16) return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
  const plain = Object.is(value, -0) ? "-0" : String(value);
  return plain.includes(".") ? plain : `${plain}.0`;
}

const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

function quoted(string) {
  const quote = string.includes("'") && !string.includes('"') ? '"' : "'";
  const inner = string.replace(/[\p{C}\p{Z}\\'"]/gu, (char) => {
    if (char === " ") return char;
    if (`'"`.includes(char)) return char === quote ? `\\${char}` : char;
    const code = char.codePointAt(0);
    const [mark, width] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
    return SHORT[char] ?? `\\${mark}${code.toString(16).padStart(width, "0")}`;
  });
  return quote + inner + quote;
}
