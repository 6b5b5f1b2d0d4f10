// The recording, as tracer/record.py describes it, out of the compressed text in the page.

/** Decompress and decode the text that pack.py wrote; resolves to a Recording. */
export async function unpack(text) {
  const bytes = Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const json = new TextDecoder().decode(new Uint8Array(buffer, 4, length));
  return new Recording(JSON.parse(json), buffer, 4 + length);
}

const TYPED = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array };

/** A trace with its sources' colours, its commentary, its pictures and drawings. */
export class Recording {
  constructor(data, buffer, start) {
    Object.assign(this, { data, buffer, start }, new Rows(data.trace, data.defaults).trace());
    this.label = new Map();
    for (const call of this.calls) if (!this.label.has(call.label)) this.label.set(call.label, call);
  }

  /** An array of the page by name: {shape, values}, or null. */
  array(name) {
    const entry = Object.hasOwn(this.data.arrays, name) ? this.data.arrays[name] : null;
    if (!entry) return null;
    const [dtype, shape, offset] = entry;
    return { shape, values: new TYPED[dtype](this.buffer, this.start + offset, product(shape)) };
  }
}

/** Reads the rows of tracer/codec.py: lists of fields, the last ones left out where default. */
class Rows {
  constructor(document, defaults) {
    Object.assign(this, document, { defaults });
    this.sources = this.tables.Source.map((row) => this.row("Source", row));
    this.values = [];
    for (const row of this.tables.Value) this.values.push(this.value(row));
  }

  row(type, row, read = number) {
    const defaults = this.defaults[type];
    const found = {};
    this.columns[type].forEach((name, i) => { found[name] = i < row.length ? read(row[i]) : defaults[i]; });
    return found;
  }

  value(row) {
    const it = this.row("Value", row);
    return Object.assign(it, { items: this.named(it.items) });
  }

  named(items) {
    return items.map(([name, value]) => [name, this.values[value]]);
  }

  trace() {
    const it = this.row("Trace", this.root, (field) => field);
    const rows = (type, found) => found.map((row) => this.row(type, row));
    const named = (type, found) => new Map(Object.entries(found).map(([name, row]) => [name, this.row(type, row)]));
    return {
      ...it,
      calls: it.calls.map((row) => this.call(row)),
      lines: rows("Line", it.lines).map((line) => Object.assign(line, { changed: this.named(line.changed) })),
      tensors: it.tensors.map((row) => this.tensor(row)),
      stages: rows("Stage", it.stages),
      sources: named("SourceFile", it.sources),
      modules: named("Module", it.modules),
      error: it.error && this.row("Failure", it.error),
    };
  }

  call(row) {
    const it = this.row("Call", row);
    return Object.assign(it, {
      label: `${it.path || "(root)"}#${it.nth}`,
      args: this.values[it.args],
      result: this.values[it.result] ?? null,
      source: this.sources[it.source] ?? null,
      called_from: this.sources[it.called_from] ?? null,
    });
  }

  tensor(row) {
    const it = this.row("TensorState", row);
    it.summary = this.row("TensorSummary", it.summary);
    it.preview = it.preview && this.row("Preview", it.preview);
    if (it.preview) it.preview.ranges = it.preview.ranges.map((pair) => pair.map(number));
    return it;
  }
}

/** A number that JSON cannot hold is written as {"float": "nan"} or {"int": "0x…"}. */
function number(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  if (!("int" in value)) return { nan: NaN, inf: Infinity, "-inf": -Infinity }[value.float];
  return value.int.startsWith("-") ? -BigInt(value.int.slice(1)) : BigInt(value.int);
}

/** How many values a shape has. */
export function product(shape) {
  return shape.reduce((a, b) => a * b, 1);
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
