// How numbers are written, as in tracer/numbers.py.

// Four digits, whole numbers whole, thousands parted.
export function num(value) {
  if (value == null) return "–";
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return count(value);
  const [digits, exponent] = value.toExponential(3).split("e");
  if (exponent < -4 || exponent > 3) return `${Number(digits)}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
  const four = Number(value.toPrecision(4));
  return Number.isInteger(four) ? count(four) : String(four);
}

export const count = (value) => value.toString().replace(/\B(?=(\d{3})+$)/g, ",");
