// Values and numbers as short text.
import { tensorsOf } from "./record.js";

export const LANGUAGES = ["en", "zh"];

/** 1×256×200×256; one axis alone is [1000], none at all a scalar. */
export function dims(shape) {
  return shape.length === 1 ? `[${shape[0]}]` : shape.join("×") || "scalar";
}

/** The dimensions of a tensor state. */
export function shapeOf(trace, state) {
  return dims(trace.tensors[state].summary.shape);
}

/** Four digits; whole numbers whole. */
export function num(value) {
  if (value == null) return "–";
  if (typeof value !== "number" || !Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return count(value);
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-4) return value.toExponential(2).replace("e+", "e");
  return String(Number(value.toPrecision(4)));
}

/** A count with its thousands parted. */
export function count(value) {
  return value.toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** 4.1 G, 236 M, 5.2 k. */
export function big(value) {
  const power = Math.min(Math.floor(Math.log10(Math.max(Number(value), 1)) / 3), 4);
  return Number((Number(value) / 1000 ** power).toPrecision(3)) + ["", " k", " M", " G", " T"][power];
}

const BRACKETS = { sequence: "[]", mapping: "{}", object: "()", arguments: "()" };

/** A value in a few words: of a tensor its shape, of a list or dict what is in it. */
export function brief(trace, value, room = 60) {
  if (!value) return "";
  if (value.tensor != null) return shapeOf(trace, value.tensor);
  if (value.kind === "scalar") return scalar(value);
  if (value.kind === "module") return moduleBrief(value);
  if (value.kind === "opaque") return value.text || value.type;
  const [open, close] = value.type === "tuple" ? "()" : BRACKETS[value.kind];
  const parts = [];
  let left = room - value.type.length;
  for (const [name, item] of value.items) {
    const key = value.kind === "sequence" ? "" : `${name}: `;
    const text = key + brief(trace, item, Math.max(12, left));
    if (parts.length && text.length > left) break;
    parts.push(text);
    left -= text.length + 2;
  }
  const more = value.items.length + value.elided - parts.length;
  if (more > 0) parts.push(`… ${more}`);
  const type = ["list", "tuple", "dict"].includes(value.type) ? "" : value.type;
  return type + open + parts.join(", ") + close;
}

/** A module's class and path, its parameters, and how many of them are frozen. */
function moduleBrief({ type, text, params }) {
  const [total = 0, trainable = 0] = params ?? [];
  const frozen = total - trainable;
  const parts = [text === "?" ? type : `${type} ${text}`.trim()];
  if (total) parts.push(frozen ? `${big(total)} (❄ ${big(frozen)})` : big(total));
  return parts.join(" · ");
}

/** A scalar as Python writes it, not too long. */
function scalar({ scalar: it, type }) {
  if (typeof it === "string") return type === "str" ? clip(`'${it}'`, 80) : it;
  const plain = typeof it === "number" && type === "float" ? Number(it.toPrecision(6)) : it;
  const text = plainText(plain);
  return type === "float" && /^-?\d+$/.test(text) ? `${text}.0` : text;
}

const PYTHON = { null: "None", true: "True", false: "False", NaN: "nan", Infinity: "inf", "-Infinity": "-inf" };

/** None, True, nan and the numbers as Python writes them. */
export function plainText(value) {
  return PYTHON[String(value)] ?? String(value);
}

export function clip(text, room) {
  return text.length > room ? `${text.slice(0, room - 1)}…` : text;
}

/** What a call is called: of a module its path or class, else its name; and which call it is. */
export function callName(call, nth = false) {
  return (call.kind === "module" && !call.path ? call.type : call.path) + (nth && call.nth ? `#${call.nth}` : "");
}

/** The shapes of what a call made, one text each. */
export function shapesMade(trace, call) {
  return tensorsOf(call.result).map((state) => shapeOf(trace, state));
}
