// The recording, as tracer/record.py describes it, out of the compressed text in the page.

/** Decompress and decode the text that pack.py wrote; resolves to a Recording. */
export async function unpack(text) {
  const bytes = fromBase64(text.trim());
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const json = new TextDecoder().decode(new Uint8Array(buffer, 4, length));
  return new Recording(JSON.parse(json), buffer, 4 + length);
}

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

const TYPED = {
  uint8: Uint8Array, int32: Int32Array, float32: Float32Array, int16: Int16Array,
};

/** A trace with its sources' colours, its commentary, its pictures and drawings. */
export class Recording {
  constructor(data, buffer, start) {
    this.data = data;
    this.buffer = buffer;
    this.start = start;
    const rows = new Rows(data.trace);
    Object.assign(this, rows.trace());
    this.rows = rows;
    this.label = new Map();
    for (const call of this.calls) if (!this.label.has(call.label)) this.label.set(call.label, call);
  }

  /** An array of the page by name: {shape, values}, or null. */
  array(name) {
    const entry = Object.hasOwn(this.data.arrays, name) ? this.data.arrays[name] : null;
    if (!entry) return null;
    const [dtype, shape, offset] = entry;
    const count = shape.reduce((a, b) => a * b, 1);
    return { shape, dtype, values: new TYPED[dtype](this.buffer, this.start + offset, count) };
  }
}

/** Reads the rows of tracer/codec.py: lists of fields, the last ones left out where default. */
class Rows {
  constructor(document) {
    this.document = document;
    this.sources = document.tables.Source.map(([file, line]) => ({ file, line }));
    this.values = [];
    for (const row of document.tables.Value) this.values.push(this.value(row));
  }

  fields(type, row) {
    const found = {};
    this.document.columns[type].forEach((name, i) => { found[name] = row[i] ?? null; });
    return found;
  }

  value(row) {
    const it = this.fields("Value", row);
    it.items = this.named(it.items ?? []);
    it.scalar = number(it.scalar);
    it.text ??= "";
    it.elided ??= 0;
    return it;
  }

  named(items) {
    return items.map(([name, value]) => [name, this.values[value]]);
  }

  source(index) {
    return index == null ? null : this.sources[index];
  }

  trace() {
    const it = this.fields("Trace", this.document.root);
    it.calls = it.calls.map((row) => this.call(row));
    it.lines = (it.lines ?? []).map((row) => this.line(row));
    it.tensors = (it.tensors ?? []).map((row) => this.tensor(row));
    it.stages = (it.stages ?? []).map((row) => this.fields("Stage", row));
    it.sources = new Map(Object.entries(it.sources ?? {}).map(
      ([file, row]) => [file, this.fields("SourceFile", row)]));
    it.modules = new Map(Object.entries(it.modules ?? {}).map(
      ([path, row]) => [path, this.module(row)]));
    it.settings = this.fields("Settings", it.settings);
    it.error = it.error && this.failure(it.error);
    it.notes ??= [];
    return it;
  }

  call(row) {
    const it = this.fields("Call", row);
    it.args = this.values[it.args];
    it.result = it.result == null ? null : this.values[it.result];
    it.source = this.source(it.source);
    it.called_from = this.source(it.called_from);
    it.label = `${it.path || "(root)"}#${it.nth}`;
    it.stage ??= "";
    it.error ??= "";
    it.macs = number(it.macs) ?? 0;
    return it;
  }

  line(row) {
    const it = this.fields("Line", row);
    it.changed = this.named(it.changed ?? []);
    it.deleted ??= [];
    it.raised ??= "";
    return it;
  }

  tensor(row) {
    const it = this.fields("TensorState", row);
    const summary = this.fields("TensorSummary", it.summary);
    for (const name of ["min", "max", "mean", "std"]) summary[name] = number(summary[name]);
    summary.histogram ??= [];
    it.summary = summary;
    it.preview = it.preview && this.preview(it.preview);
    it.name ??= "";
    return it;
  }

  preview(row) {
    const it = this.fields("Preview", row);
    it.ranges = it.ranges.map((pair) => pair.map(number));
    it.image ??= -1;
    it.stride ??= 1;
    return it;
  }

  module(row) {
    const it = this.fields("Module", row);
    it.built_at = this.source(it.built_at);
    it.settings ??= [];
    it.extra ??= "";
    return it;
  }

  failure(row) {
    const it = this.fields("Failure", row);
    it.source = this.source(it.source);
    return it;
  }
}

/** A number that JSON cannot hold is written as {"float": "nan"} or {"int": "0x…"}. */
function number(value) {
  if (value === null || typeof value !== "object") return value;
  if ("int" in value) {
    const negative = value.int.startsWith("-");
    const size = BigInt(negative ? value.int.slice(1) : value.int);
    return negative ? -size : size;
  }
  return { nan: NaN, inf: Infinity, "-inf": -Infinity }[value.float];
}

/** The lines of a recorded file's text, split once. */
export function sourceLines(trace, file) {
  const source = trace.sources.get(file);
  return source ? source.lines ??= source.text.split("\n") : [];
}

/** Yield [path, leaf] of every tensor, scalar and opaque leaf of a value, depth first. */
export function* leaves(value, path = "") {
  if (!value) return;
  const holds = ["sequence", "mapping", "object", "arguments"].includes(value.kind);
  if (!value.items.length || value.kind === "module") {
    if (!holds) yield [path, value];
    return;
  }
  for (const [name, item] of value.items) yield* leaves(item, path ? `${path}.${name}` : name);
}

/** The tensor states in a value, in order. */
export function tensorsOf(value) {
  return [...leaves(value)].filter(([, leaf]) => leaf.tensor != null).map(([, leaf]) => leaf.tensor);
}
