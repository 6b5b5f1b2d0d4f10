// Numbers and texts, short.

/** Four digits; whole numbers whole. */
export function num(value) {
  if (value == null) return "–";
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return count(value);
  return size >= 1e5 || size < 1e-4 ? value.toExponential(2).replace("e+", "e") : String(Number(value.toPrecision(4)));
}

/** A count with its thousands parted. */
export function count(value) {
  return value.toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

export function clip(text, room) {
  return text.length > room ? `${text.slice(0, room - 1)}…` : text;
}
