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
class Recording {
  constructor(data, buffer, start) {
    Object.assign(this, { data, buffer, start }, new Rows(data.trace, data.defaults).trace());
    this.label = new Map();
    for (const call of this.calls) {
      call.label = `${call.path || "(root)"}#${call.nth}`;
      if (!this.label.has(call.label)) this.label.set(call.label, call);
    }
  }

  /** An array of the page by name, with its shape; or null. */
  array(name) {
    const entry = Object.hasOwn(this.data.arrays, name) ? this.data.arrays[name] : null;
    if (!entry) return null;
    const [dtype, shape, offset] = entry;
    return Object.assign(new TYPED[dtype](this.buffer, this.start + offset, product(shape)), { shape });
  }
}

/** Reads the rows of tracer/codec.py: lists of fields, the last ones left out where default. */
class Rows {
  constructor(document, defaults) {
    Object.assign(this, document, { defaults, values: [] });
    const one = (type) => (row) => row && this.row(type, row);
    const many = (type) => (rows) => rows.map(one(type));
    const named = (type) => (rows) => new Map(Object.entries(rows).map(([name, row]) => [name, this.row(type, row)]));
    const value = (number) => this.values[number];
    const source = (number) => this.sources[number];
    const bound = (items) => items.map(([name, number]) => [name, this.values[number]]);
    // Fields that hold more than numbers, texts and lists of them.
    this.readers = {
      Value: { items: bound },
      Call: { args: value, result: value, source, called_from: source },
      Line: { changed: bound },
      TensorState: { summary: one("TensorSummary"), preview: one("Preview") },
      Preview: { ranges: (pairs) => pairs.map((pair) => pair.map(number)) },
      Trace: {
        calls: many("Call"), lines: many("Line"), tensors: many("TensorState"), stages: many("Stage"),
        sources: named("SourceFile"), modules: named("Module"), error: one("Failure"),
      },
    };
  }

  row(type, row) {
    const read = this.readers[type] ?? {};
    const other = type === "Trace" ? (field) => field : number;
    const found = {}; // of the same form in all rows of a type, which makes them quick to read
    this.columns[type].forEach((name, i) => {
      found[name] = i < row.length ? (read[name] ?? other)(row[i]) ?? null : this.defaults[type][i];
    });
    return found;
  }

  trace() {
    this.sources = this.tables.Source.map((row) => this.row("Source", row));
    for (const row of this.tables.Value) this.values.push(this.row("Value", row));
    return this.row("Trace", this.root);
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

/** Add to the list that a Map holds for a key. */
export function push(map, key, item) {
  if (map.has(key)) map.get(key).push(item);
  else map.set(key, [item]);
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
