// Values and numbers as short text.
import { visible } from "./dom.js";
import { tensorsOf } from "./record.js";

/** 1×256×200×256; one axis alone is [1000], none at all a scalar. */
export function dims(shape) {
  return shape.length === 1 ? `[${shape[0]}]` : shape.join("×") || "scalar";
}

/** Four digits; whole numbers whole. */
export function num(value) {
  if (value == null) return "–";
  if (typeof value === "bigint" || typeof value === "boolean") return String(value);
  if (!Number.isFinite(value)) return String(value);
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
  const n = Number(value);
  for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (n >= size) return `${Number((n / size).toPrecision(3))} ${unit}`;
  }
  return String(n);
}

export function seconds(value) {
  if (value >= 1) return `${value.toFixed(1)} s`;
  return value >= 1e-3 ? `${(value * 1e3).toPrecision(3)} ms` : `${(value * 1e6).toFixed(0)} µs`;
}

const BRACKETS = { sequence: "[]", mapping: "{}", object: "()", arguments: "()" };

/** A value in a few words: of a tensor its shape, of a list or dict what is in it. */
export function brief(trace, value, room = 60) {
  if (!value) return "";
  if (value.tensor != null) return dims(trace.tensors[value.tensor].summary.shape);
  if (value.kind === "scalar") return scalar(value);
  if (value.kind === "module") return moduleBrief(value);
  if (value.kind === "opaque") return visible(value.text || value.type);
  const brackets = value.type === "tuple" ? "()" : BRACKETS[value.kind];
  const parts = [];
  let left = room - value.type.length;
  for (const [name, item] of value.items) {
    const key = value.kind === "sequence" ? "" : `${visible(name)}: `;
    const text = key + brief(trace, item, Math.max(12, left));
    if (parts.length && text.length > left) break;
    parts.push(text);
    left -= text.length + 2;
  }
  const more = value.items.length + value.elided - parts.length;
  if (more > 0) parts.push(`… ${more}`);
  const type = ["list", "tuple", "dict"].includes(value.type) ? "" : visible(value.type);
  return type + brackets[0] + parts.join(", ") + brackets[1];
}

/** A module's class and path, its parameters, and how many of them are frozen. */
function moduleBrief({ type, text, params }) {
  const [total = 0, trainable = 0] = params ?? [];
  const frozen = total - trainable;
  const parts = [text === "?" ? type : `${type} ${text}`.trim()];
  if (total) parts.push(frozen ? `${big(total)} (❄ ${big(frozen)})` : big(total));
  return visible(parts.join(" · "));
}

/** A scalar as Python writes it, not too long. */
export function scalar(value) {
  const it = value.scalar;
  if (it === null) return "None";
  if (it === true) return "True";
  if (it === false) return "False";
  if (typeof it === "string") return value.type === "str" ? clip(`'${visible(it)}'`, 80) : visible(it);
  if (value.type === "float") return floating(it);
  return String(it);
}

function floating(it) {
  if (!Number.isFinite(it)) return { NaN: "nan", Infinity: "inf", "-Infinity": "-inf" }[String(it)];
  const text = String(Number(it.toPrecision(6)));
  return Number.isInteger(it) && !/[.e]/.test(text) ? `${text}.0` : text;
}

export function clip(text, room) {
  return text.length > room ? `${text.slice(0, room - 1)}…` : text;
}

/** What a call is called: of a module its path and class, else its name. */
export function callName(call) {
  if (call.kind === "module") return visible(call.path || call.type);
  return visible(call.path);
}

/** The shapes of what a call made, one text each. */
export function shapesMade(trace, call) {
  return tensorsOf(call.result).map((state) => dims(trace.tensors[state].summary.shape));
}

/** The same in short: the first shape, and how many more there are. */
export function made(trace, call) {
  const [first = "", ...others] = shapesMade(trace, call);
  return others.length ? `${first} +${others.length}` : first;
}

/** The last part of a call's name, and what it belongs to: a module's class, a method's class. */
export function nameParts(call) {
  const path = callName(call);
  const [, owner, own] = /^(?:(.*)\.)?([^.]*)$/s.exec(path);
  return call.kind === "module" ? [own, call.path ? visible(call.type) : ""] : [own || path, owner ?? ""];
}
