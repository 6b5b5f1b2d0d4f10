// Expressions over recorded values, for conditions and `p`: the same small part of Python as
// tracer/stepper/evaluate.py, read and computed here; nothing is ever handed to JavaScript's eval.
import { product, tensorsOf } from "./record.js";
import { plainText } from "./text.js";

/** A command or an expression that cannot be carried out; `key` is what the page says. */
export class Refused extends Error {
  constructor(key, values = {}) {
    super(key);
    this.key = key;
    this.values = values;
  }
}

const TOKEN = /\s*(?:(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+)|('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|([\p{L}_][\p{L}\p{N}_]*)|(\*\*|\/\/|[<>=!]=|[-+*/%<>()[\],.:]))/uy;
const COMPARISONS = ["<", ">", "<=", ">=", "==", "!=", "in", "is", "not"];
const MOST_DEEP = 40;

/** Parse an expression: {tree, names, text}. */
export function parse(text) {
  const parser = new Parser(text);
  const tree = parser.tuple();
  if (parser.at < parser.tokens.length) throw new Refused("refused_expression", { text });
  return { tree, text, names: parser.names };
}

class Parser {
  constructor(text) {
    this.text = text;
    this.tokens = [];
    this.names = new Set();
    this.at = 0;
    this.depth = 0;
    TOKEN.lastIndex = 0;
    const whole = text.trimEnd();
    while (TOKEN.lastIndex < whole.length) {
      const match = TOKEN.exec(whole);
      if (!match || text.length > 1000) throw new Refused("refused_expression", { text });
      this.tokens.push({ number: match[1], string: match[2], word: match[3], sign: match[4] ?? match[3] });
    }
  }

  get next() { return this.tokens[this.at]?.sign; }

  take(sign) {
    if (this.next !== sign) return false;
    this.at += 1;
    return true;
  }

  need(sign) {
    if (!this.take(sign)) this.fail();
  }

  fail() { throw new Refused("refused_expression", { text: this.text }); }

  tuple(end = null) {
    const items = [this.conditional()];
    let many = false;
    while (this.take(",")) {
      many = true;
      if (this.at >= this.tokens.length || this.next === end) break;
      items.push(this.conditional());
    }
    return many ? { type: "tuple", items } : items[0];
  }

  conditional() {
    if (++this.depth > MOST_DEEP) this.fail();
    let body = this.logical("or");
    if (this.take("if")) {
      const test = this.logical("or");
      this.need("else");
      body = { type: "if", test, body, other: this.conditional() };
    }
    this.depth -= 1;
    return body;
  }

  logical(sign) {
    const operand = () => (sign === "or" ? this.logical("and") : this.negation());
    const items = [operand()];
    while (this.take(sign)) items.push(operand());
    return items.length > 1 ? { type: sign, items } : items[0];
  }

  negation() {
    return this.take("not") ? { type: "not", value: this.negation() } : this.comparison();
  }

  comparison() {
    const first = this.sum();
    const rest = [];
    while (COMPARISONS.includes(this.next)) {
      let sign = this.tokens[this.at++].sign;
      if (sign === "not") { this.need("in"); sign = "not in"; }
      if (sign === "is" && this.take("not")) sign = "is not";
      rest.push([sign, this.sum()]);
    }
    return rest.length ? { type: "compare", first, rest } : first;
  }

  binary(signs, operand) {
    let left = operand();
    while (signs.includes(this.next)) left = { type: "binary", sign: this.tokens[this.at++].sign, left, right: operand() };
    return left;
  }

  sum() {
    return this.binary(["+", "-"], () => this.binary(["*", "/", "//", "%"], () => this.signed()));
  }

  signed() {
    if (this.take("-")) return { type: "minus", value: this.signed() };
    if (this.take("+")) return this.signed();
    const left = this.trailed();
    return this.take("**") ? { type: "binary", sign: "**", left, right: this.signed() } : left;
  }

  trailed() {
    let value = this.atom();
    for (;;) {
      if (this.take(".")) {
        value = { type: "attribute", value, name: this.tokens[this.at++]?.word ?? this.fail() };
      } else if (this.take("[")) {
        value = { type: "item", value, key: this.key() };
        this.need("]");
      } else if (this.take("(")) {
        const given = this.next === ")" ? [] : [this.tuple(")")];
        const args = given[0]?.type === "tuple" ? given[0].items : given;
        this.need(")");
        if (value.type === "name") this.names.delete(value.name);
        value = { type: "call", value, args };
      } else return value;
    }
  }

  key() {
    const part = () => ([":", "]"].includes(this.next) ? null : this.conditional());
    const parts = [part()];
    while (this.take(":")) parts.push(part());
    return parts.length > 1 ? { type: "slice", parts } : parts[0] ?? this.fail();
  }

  atom() {
    const token = this.tokens[this.at++];
    if (!token) this.fail();
    if (token.number) return { type: "constant", value: Number(token.number) };
    if (token.string) return { type: "constant", value: token.string.slice(1, -1).replace(/\\(.)/g, "$1") };
    const constants = { True: true, False: false, None: null };
    if (Object.hasOwn(constants, token.word ?? "")) return { type: "constant", value: constants[token.word] };
    if (token.word && !["if", "else", "and", "or", "not", "in", "is", "lambda", "for"].includes(token.word)) {
      this.names.add(token.word);
      return { type: "name", name: token.word };
    }
    if (token.sign === "(" || token.sign === "[") {
      const end = token.sign === "(" ? ")" : "]";
      if (this.take(end)) return { type: "tuple", items: [] };
      const inner = this.tuple(end);
      this.need(end);
      return end === "]" && inner.type !== "tuple" ? { type: "tuple", items: [inner] } : inner;
    }
    return this.fail();
  }
}

// --- computing ---

const isTensor = (value) => value !== null && typeof value === "object" && "summary" in value;
const isTree = (value) => value !== null && typeof value === "object" && "kind" in value;
const refuse = (what) => { throw new Refused("refused_value", { what }); };

/** The value of a parsed expression; `scope` has get(name) and read(value). */
export function evaluate(tree, scope) {
  return EVALUATE[tree.type](tree, scope);
}

const EVALUATE = {
  constant: ({ value }) => value,
  name: ({ name }, scope) => (name === "torch" ? { torch: true } : scope.get(name)),
  tuple: ({ items }, scope) => items.map((item) => evaluate(item, scope)),
  slice: ({ parts }, scope) => ({ slice: parts.map((part) => part && evaluate(part, scope)) }),
  not: ({ value }, scope) => !truth(evaluate(value, scope)),
  minus: ({ value }, scope) => {
    const it = evaluate(value, scope);
    return typeof it === "number" ? -it : refuse("-");
  },
  and: ({ items }, scope) => shortcut(items, scope, false),
  or: ({ items }, scope) => shortcut(items, scope, true),
  if: ({ test, body, other }, scope) => evaluate(truth(evaluate(test, scope)) ? body : other, scope),
  attribute: ({ value, name }, scope) => attribute(evaluate(value, scope), name, scope),
  item: ({ value, key }, scope) => item(evaluate(value, scope), evaluate(key, scope), scope),
  binary: ({ sign, left, right }, scope) => binary(sign, evaluate(left, scope), evaluate(right, scope)),
  compare: ({ first, rest }, scope) => {
    let left = evaluate(first, scope);
    return rest.every(([sign, node]) => {
      const right = evaluate(node, scope);
      const holds = compare(sign, left, right, scope);
      left = right;
      return holds;
    });
  },
  call: ({ value, args }, scope) => {
    const given = args.map((arg) => evaluate(arg, scope));
    if (value.type === "attribute") return method(evaluate(value.value, scope), value.name, given, scope);
    const known = value.type === "name" && Object.hasOwn(FUNCTIONS, value.name);
    return known ? FUNCTIONS[value.name](given, scope) : refuse(value.name ?? "()");
  },
};

function shortcut(items, scope, stop) {
  let value = null;
  for (const node of items) {
    value = evaluate(node, scope);
    if (truth(value) === stop) break;
  }
  return value;
}

const SUMMARY = ["min", "max", "mean", "std", "zeros", "nan", "inf"];

function attribute(value, name, scope) {
  if (value?.torch) return name;
  if (isTensor(value)) {
    const { summary } = value;
    if (SUMMARY.includes(name)) return summary[name] ?? refuse(name);
    const { shape, dtype, device, histogram } = summary;
    const known = { shape, dtype, device, histogram, ndim: shape.length, numel: product(shape), state: value.id };
    return Object.hasOwn(known, name) ? known[name] : refuse(name);
  }
  const found = isTree(value) ? value.items.find(([key]) => key === name) : null;
  return found ? scope.read(found[1]) : refuse(name);
}

function item(value, key, scope) {
  if (isTree(value)) {
    const at = value.kind === "sequence" && typeof key === "number" && key < 0 ? key + value.items.length + value.elided : key;
    if (key?.slice && value.kind === "sequence") return sliced(value.items.map(([, it]) => scope.read(it)), key.slice);
    const found = value.items.find(([name]) => name === String(at));
    return found ? scope.read(found[1]) : refuse(String(key));
  }
  if (!Array.isArray(value) && typeof value !== "string") refuse("[]");
  if (key?.slice) return sliced(value, key.slice);
  const at = key < 0 ? key + value.length : key;
  return Number.isInteger(at) && at >= 0 && at < value.length ? value[at] : refuse(String(key));
}

function sliced(list, [from, to, step]) {
  if (step != null && step !== 1) refuse("::");
  return list.slice(from ?? 0, to ?? list.length);
}

function binary(sign, left, right) {
  if (sign === "+" && (typeof left === "string" || Array.isArray(left)) && typeof left === typeof right) return left.concat(right);
  const [a, b] = [left, right].map((it) => (typeof it === "boolean" ? Number(it) : it));
  if (typeof a !== "number" || typeof b !== "number") refuse(sign);
  if (["/", "//", "%"].includes(sign) && b === 0) refuse(sign);
  const result = { "+": a + b, "-": a - b, "*": a * b, "/": a / b, "//": Math.floor(a / b), "%": a - b * Math.floor(a / b), "**": a ** b }[sign];
  return Number.isFinite(result) || !Number.isFinite(a) || !Number.isFinite(b) ? result : refuse(sign);
}

const same = (a, b) => (Array.isArray(a) && Array.isArray(b)
  ? a.length === b.length && a.every((it, i) => same(it, b[i])) : a === b || (plain(a) && plain(b) && Number(a) === Number(b)));
const plain = (it) => typeof it === "number" || typeof it === "boolean";

function compare(sign, left, right, scope) {
  if (sign === "in" || sign === "not in") return contains(right, left, scope) === (sign === "in");
  if (sign === "is" || sign === "is not") {
    const one = isTensor(left) && isTensor(right) ? left.id === right.id : left === right && (left === null || typeof left === "boolean");
    return one === (sign === "is");
  }
  const tuple = (it) => (isTree(it) && it.kind === "sequence" ? it.items.map(([, v]) => scope.read(v)) : it);
  const [a, b] = [tuple(left), tuple(right)];
  if (isTensor(a) || isTensor(b)) refuse(sign);
  if (sign === "==") return same(a, b);
  if (sign === "!=") return !same(a, b);
  const comparable = (plain(a) && plain(b)) || (typeof a === "string" && typeof b === "string");
  if (!comparable) refuse(sign);
  return { "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b }[sign];
}

function contains(box, wanted, scope) {
  if (isTree(box)) {
    return box.items.some(([name, value]) => (box.kind === "mapping" ? name === wanted : same(scope.read(value), wanted)));
  }
  if (typeof box === "string") return typeof wanted === "string" ? box.includes(wanted) : refuse("in");
  return Array.isArray(box) ? box.some((it) => same(it, wanted)) : refuse("in");
}

function method(value, name, args, scope) {
  if (isTree(value) && ["keys", "values"].includes(name) && !args.length) {
    return value.items.map(([key, it]) => (name === "keys" ? key : scope.read(it)));
  }
  const found = attribute(value, { size: "shape", dim: "ndim" }[name] ?? name, scope);
  return name === "size" && args.length ? item(found, args[0], scope) : found;
}

/** Whether a value counts as true. */
export function truth(value) {
  if (isTensor(value)) refuse("bool");
  if (isTree(value)) return !["mapping", "sequence"].includes(value.kind) || value.items.length + value.elided > 0;
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

const tensorsIn = (value, scope) => (isTensor(value) ? [value] : isTree(value)
  ? tensorsOf(value).map((state) => scope.read({ kind: "tensor", tensor: state })) : Array.isArray(value) ? value.flatMap((it) => tensorsIn(it, scope)) : []);
const anywhere = (test) => ([value], scope) => tensorsIn(value === undefined ? scope.fresh() : value, scope).some(test);
const over = (name, several) => (args) => {
  if (args.length === 1 && isTensor(args[0])) return args[0].summary[name] ?? refuse(name);
  const list = args.length === 1 ? args[0] : args;
  return several && Array.isArray(list) && list.length ? several(list) : refuse(name);
};
const lengthOf = (value) => (isTensor(value) ? value.summary.shape[0] : isTree(value) ? value.items.length + value.elided : value?.length);

const FUNCTIONS = {
  has_nan: anywhere((t) => t.summary.nan), isnan: anywhere((t) => t.summary.nan),
  has_inf: anywhere((t) => t.summary.inf), isinf: anywhere((t) => t.summary.inf),
  overwritten: anywhere((t) => t.previous != null),
  len: ([value]) => lengthOf(value) ?? refuse("len"),
  abs: ([value]) => (typeof value === "number" ? Math.abs(value) : refuse("abs")),
  round: ([value, digits = 0]) => (typeof value === "number" ? Number(value.toFixed(Math.min(Math.max(digits, 0), 20))) : refuse("round")),
  any: ([value]) => (Array.isArray(value) ? value.some(truth) : refuse("any")),
  all: ([value]) => (Array.isArray(value) ? value.every(truth) : refuse("all")),
  min: over("min", (list) => Math.min(...list)), max: over("max", (list) => Math.max(...list)),
  sum: over("sum", (list) => list.reduce((a, b) => binary("+", a, b))),
  mean: over("mean"), std: over("std"),
};

/** A plain result as Python writes it; null for what is no plain value. */
export function repr(value) {
  if (typeof value === "string") return `'${value}'`;
  if (Array.isArray(value)) return value.length === 1 ? `(${repr(value[0])},)` : `(${value.map(repr).join(", ")})`;
  return isTensor(value) || isTree(value) ? null : plainText(value);
}
