// Expressions over recorded values, for conditions and `p`: the same small part of Python as
// tracer/stepper/evaluate.py. Each rule of the grammar gives a function of the scope, which has
// get(name), read(value) and fresh(); nothing is ever handed to JavaScript's eval.
import { product, tensorsOf } from "./record.js";
import { plainText } from "./text.js";

/** A command or an expression that cannot be carried out; `key` is what the page says. */
export class Refused extends Error {
  constructor(key, values = {}) {
    super(key);
    Object.assign(this, { key, values });
  }
}

const refuse = (what) => { throw new Refused("refused_value", { what }); };

// Numbers, strings, words ("is not" and "not in" are one), signs.
const TOKENS = [
  /(?<number>\d+\.?\d*(?:e[+-]?\d+)?|\.\d+)/u, /(?<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")/u,
  /(?<word>(?:is\s+not|not\s+in)(?!\w)|[\p{L}_][\p{L}\p{N}_]*)/u, /\*\*|\/\/|[<>=!]=|[-+*\/%<>()[\],.:]/u,
];
const TOKEN = new RegExp(`\\s*(?:${TOKENS.map(({ source }) => source).join("|")})`, "uy");
const CONSTANTS = { True: true, False: false, None: null };
const RESERVED = ["if", "else", "and", "or", "not", "in", "is", "is not", "not in", "lambda", "for"];
const MOST_DEEP = 40;
const MOST_LONG = 1000;

/** Parse an expression: {value, names}, a function of the scope and the names that it looks up. */
export function parse(text) {
  const parser = new Parser(text);
  const value = parser.tuple();
  return parser.next == null ? { value, names: parser.names } : parser.fail();
}

class Parser {
  constructor(text) {
    Object.assign(this, { text, tokens: [], names: new Set(), at: 0, depth: 0 });
    const whole = text.trimEnd();
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < whole.length) {
      const match = TOKEN.exec(whole);
      if (!match || text.length > MOST_LONG) this.fail();
      this.tokens.push({ text: match[0].trim().replace(/\s+(?=not$|in$)/, " "), ...match.groups });
    }
    if (!this.tokens.length) this.fail();
  }

  fail() { throw new Refused("refused_expression", { text: this.text }); }

  get next() { return this.tokens[this.at]?.text; }

  pop() { return this.tokens[this.at++] ?? this.fail(); }

  take(...signs) { return signs.includes(this.next) && this.pop().text; }

  /** Expressions between commas up to `end`, and whether the last one has a comma. */
  list(end) {
    const items = [];
    let comma = true;
    while (comma && this.next !== end) {
      items.push(this.conditional());
      comma = Boolean(this.take(","));
    }
    if (end && !this.take(end)) this.fail();
    return { items, comma, each: (scope) => items.map((item) => item(scope)) };
  }

  tuple(end) {
    const { items, comma, each } = this.list(end);
    return items.length === 1 && !comma ? items[0] : each;
  }

  conditional() {
    if (++this.depth > MOST_DEEP) this.fail();
    let value = this.logical("or");
    if (this.take("if")) {
      const [body, test] = [value, this.logical("or")];
      const other = this.take("else") ? this.conditional() : this.fail();
      value = (scope) => (truth(test(scope)) ? body : other)(scope);
    }
    this.depth -= 1;
    return value;
  }

  logical(sign) {
    const operand = () => (sign === "or" ? this.logical("and") : this.negation());
    let left = operand();
    while (this.take(sign)) {
      const [before, right] = [left, operand()];
      left = (scope) => {
        const value = before(scope);
        return truth(value) === (sign === "or") ? value : right(scope);
      };
    }
    return left;
  }

  negation() {
    if (!this.take("not")) return this.comparison();
    const value = this.negation();
    return (scope) => !truth(value(scope));
  }

  comparison() {
    const first = this.sum();
    const rest = [];
    for (let sign; (sign = this.take(...COMPARISONS)); ) rest.push([sign, this.sum()]);
    if (!rest.length) return first;
    return (scope) => {
      let left = first(scope);
      return rest.every(([sign, side]) => {
        const [before, right] = [left, side(scope)];
        left = right;
        return compare(sign, before, right, scope);
      });
    };
  }

  sum() { return this.binary(["+", "-"], () => this.binary(["*", "/", "//", "%"], () => this.signed())); }

  binary(signs, operand) {
    let left = operand();
    for (let sign; (sign = this.take(...signs)); ) left = computed(sign, left, operand());
    return left;
  }

  signed() {
    if (this.take("-")) return computed("-", () => 0, this.signed());
    if (this.take("+")) return this.signed();
    const left = this.trailed();
    return this.take("**") ? computed("**", left, this.signed()) : left;
  }

  /** What stands before any number of .name, .name(…) and [key]. */
  trailed() {
    let value = this.atom();
    for (let sign; (sign = this.take(".", "[", "(")); ) {
      const of = value;
      if (sign === "(") value = () => refuse("()");
      else if (sign === "[") {
        const key = this.key();
        value = (scope) => item(of(scope), key(scope), scope);
      } else {
        const name = this.pop().word ?? this.fail();
        const args = this.take("(") && this.list(")");
        value = (scope) => (args ? method(of(scope), name, args.each(scope), scope) : attribute(of(scope), name, scope));
      }
    }
    return value;
  }

  key() {
    const part = () => ([":", "]"].includes(this.next) ? null : this.conditional());
    const parts = [part()];
    while (this.take(":")) parts.push(part());
    if (!this.take("]")) this.fail();
    if (parts.length > 1) return (scope) => ({ range: parts.map((of) => of && of(scope)) });
    return parts[0] ?? this.fail();
  }

  atom() {
    const { number, string, word, text } = this.pop();
    if (text === "(") return this.tuple(")");
    if (text === "[") return this.list("]").each;
    if (number) return () => Number(number);
    if (string) return () => string.slice(1, -1).replace(/\\(.)/g, "$1");
    if (!word || RESERVED.includes(word)) this.fail();
    if (Object.hasOwn(CONSTANTS, word)) return () => CONSTANTS[word];
    if (this.take("(")) {
      const { each } = this.list(")");
      return (scope) => (Object.hasOwn(FUNCTIONS, word) ? FUNCTIONS[word](each(scope), scope) : refuse(word));
    }
    this.names.add(word);
    return (scope) => (word === "torch" ? { torch: true } : scope.get(word));
  }
}

// --- computing ---

const isTensor = (value) => value !== null && typeof value === "object" && "summary" in value;
const isTree = (value) => value !== null && typeof value === "object" && "kind" in value;
const isPlain = (value) => typeof value === "number" || typeof value === "boolean";
const isText = (value) => typeof value === "string";
const itemsOf = (tree, scope) => tree.items.map(([, value]) => scope.read(value));

/** Whether a value counts as true. */
export function truth(value) {
  if (isTensor(value)) refuse("bool");
  if (isTree(value)) return !["mapping", "sequence"].includes(value.kind) || lengthOf(value) > 0;
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function lengthOf(value) {
  if (isTensor(value)) return value.summary.shape[0];
  return isTree(value) ? value.items.length + value.elided : value?.length;
}

const SUMMARY = ["min", "max", "mean", "std", "zeros", "nan", "inf"];

function attribute(value, name, scope) {
  if (value?.torch) return name;
  if (isTensor(value)) {
    const { shape, dtype, device, histogram } = value.summary;
    const known = { shape, dtype, device, histogram, ndim: shape.length, numel: product(shape), state: value.id };
    return (SUMMARY.includes(name) ? value.summary : known)[name] ?? refuse(name);
  }
  const found = isTree(value) ? value.items.find(([key]) => key === name) : null;
  return found ? scope.read(found[1]) : refuse(name);
}

function method(value, name, args, scope) {
  if (isTree(value) && !args.length) {
    if (name === "keys") return value.items.map(([key]) => key);
    if (name === "values") return itemsOf(value, scope);
  }
  const found = attribute(value, { size: "shape", dim: "ndim" }[name] ?? name, scope);
  return name === "size" && args.length ? item(found, args[0], scope) : found;
}

function item(value, key, scope) {
  const tree = isTree(value);
  const list = tree && value.kind === "sequence" ? itemsOf(value, scope) : value;
  if (key?.range && !isTree(list)) return sliced(list, key.range);
  const at = typeof key === "number" && key < 0 ? key + lengthOf(value) : key;
  if (tree) {
    const found = value.items.find(([name]) => name === String(list === value ? key : at));
    return found ? scope.read(found[1]) : refuse(String(key));
  }
  if (!Array.isArray(value) && !isText(value)) refuse("[]");
  return Number.isInteger(at) && at >= 0 && at < value.length ? value[at] : refuse(String(key));
}

function sliced(list, [from, to, step]) {
  if (!Array.isArray(list) && !isText(list)) refuse("[]");
  return step == null || step === 1 ? list.slice(from ?? 0, to ?? list.length) : refuse("::");
}

const OPERATORS = {
  "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "**": (a, b) => a ** b,
  "/": (a, b) => a / b, "//": (a, b) => Math.floor(a / b), "%": (a, b) => a - b * Math.floor(a / b),
};

/** What computes `left sign right`. */
function computed(sign, left, right) {
  return (scope) => combine(sign, left(scope), right(scope));
}

function combine(sign, left, right) {
  if (sign === "+" && (isText(left) || Array.isArray(left)) && typeof left === typeof right) return left.concat(right);
  if (!isPlain(left) || !isPlain(right)) refuse(sign);
  const [a, b] = [Number(left), Number(right)];
  const result = ["/", "//", "%"].includes(sign) && b === 0 ? NaN : OPERATORS[sign](a, b);
  return Number.isFinite(result) || (b !== 0 && !(Number.isFinite(a) && Number.isFinite(b))) ? result : refuse(sign);
}

const COMPARE = {
  in: (a, b, scope) => contains(b, a, scope),
  is: (a, b) => (isTensor(a) && isTensor(b) ? a.id === b.id : a === b && (a === null || typeof a === "boolean")),
  "==": (a, b) => same(a, b),
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
};
const OPPOSITE = { "not in": "in", "is not": "is", "!=": "==" };
const COMPARISONS = [...Object.keys(COMPARE), ...Object.keys(OPPOSITE)];

function compare(sign, left, right, scope) {
  if (OPPOSITE[sign]) return !compare(OPPOSITE[sign], left, right, scope);
  if (sign === "in" || sign === "is") return COMPARE[sign](left, right, scope);
  const [a, b] = [left, right].map((it) => (isTree(it) && it.kind === "sequence" ? itemsOf(it, scope) : it));
  const ordered = (isPlain(a) && isPlain(b)) || (isText(a) && isText(b));
  if (isTensor(a) || isTensor(b) || (sign !== "==" && !ordered)) refuse(sign);
  return COMPARE[sign](a, b);
}

function same(a, b) {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((it, i) => same(it, b[i]));
  return a === b || (isPlain(a) && isPlain(b) && Number(a) === Number(b));
}

function contains(box, wanted, scope) {
  if (isText(box) && isText(wanted)) return box.includes(wanted);
  if (isTree(box) && box.kind === "mapping") return box.items.some(([name]) => name === wanted);
  const list = isTree(box) ? itemsOf(box, scope) : box;
  return Array.isArray(list) ? list.some((it) => same(it, wanted)) : refuse("in");
}

// --- functions ---

function tensorsIn(value, scope) {
  if (isTensor(value)) return [value];
  if (isTree(value)) return tensorsOf(value).map((state) => scope.read({ tensor: state }));
  return Array.isArray(value) ? value.flatMap((it) => tensorsIn(it, scope)) : [];
}

/** Whether a tensor within a value, or within what is new, passes a test. */
const anywhere = (test) => ([value], scope) => tensorsIn(value === undefined ? scope.fresh() : value, scope).some(test);

/** A statistic of a tensor; of several numbers, where `several` can compute it. */
const over = (name, several) => (args) => {
  const [first] = args;
  if (args.length === 1 && isTensor(first)) return first.summary[name] ?? refuse(name);
  const list = args.length === 1 ? first : args;
  return several && Array.isArray(list) && list.length ? several(list) : refuse(name);
};

/** A function of one argument of the right sort. */
const of = (sort, name, compute) => ([value, ...rest]) => (sort(value) ? compute(value, ...rest) : refuse(name));
const isNumber = (value) => typeof value === "number";
const [hasNan, hasInf] = ["nan", "inf"].map((name) => anywhere(({ summary }) => summary[name]));

const FUNCTIONS = {
  has_nan: hasNan, isnan: hasNan, has_inf: hasInf, isinf: hasInf,
  overwritten: anywhere((state) => state.previous != null),
  len: ([value]) => lengthOf(value) ?? refuse("len"),
  abs: of(isNumber, "abs", Math.abs),
  round: of(isNumber, "round", (it, digits = 0) => Number(it.toFixed(Math.min(Math.max(digits, 0), 20)))),
  any: of(Array.isArray, "any", (list) => list.some(truth)),
  all: of(Array.isArray, "all", (list) => list.every(truth)),
  min: over("min", (list) => Math.min(...list)), max: over("max", (list) => Math.max(...list)),
  sum: over("sum", (list) => list.reduce((a, b) => combine("+", a, b))),
  mean: over("mean"), std: over("std"),
};

/** A plain result as Python writes it; null for what is no plain value. */
export function repr(value) {
  if (isText(value)) return `'${value}'`;
  if (Array.isArray(value)) return value.length === 1 ? `(${repr(value[0])},)` : `(${value.map(repr).join(", ")})`;
  return isTensor(value) || isTree(value) ? null : plainText(value);
}
