// The recording, as tracer/record/model.py describes it, out of the compressed text in the page.

const TYPED = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array };

// What pack.py wrote: a trace, the `data` beside it, an `array` by name.
export async function unpack(text) {
  const bytes = Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const data = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const array = (name) => {
    const [dtype, shape, offset] = own(data.arrays, name) ?? [];
    return dtype && Object.assign(new TYPED[dtype](buffer, 4 + length + offset, product(shape)), { shape });
  };
  const { second: other } = data; // of a page with two recordings
  const second = other && Object.assign(linked(decoded(other)), { data: other, array: (name) => array(`second/${name}`) });
  return Object.assign(linked(decoded(data)), { data, array, second });
}

// The rows of tracer/record/codec.py as objects: lists of fields, the last ones left out where default.
function decoded({ trace: { columns, tables, root }, defaults, beside }) {
  const row = (type, cells) => {
    const found = {}; // of the same form in all rows of a type, which makes them quick to read
    columns[type].forEach((name, i) => {
      found[name] = i < cells.length ? (READ[name] ?? number)(cells[i]) ?? null : defaults[type][i];
    });
    return found;
  };
  const table = (type, rows, found = []) => { // a row may refer to those before it
    const more = Object.entries(beside[type] ?? {});
    rows.forEach((cells, i) => {
      found.push(row(type, cells));
      for (const [name, column] of more) found[i][name] = column[i];
    });
    return found;
  };
  const maybe = (type) => (cells) => cells && row(type, cells);
  const bound = (items) => items.map(([name, i]) => [name, values[i]]);
  const READ = { // fields that hold more than numbers, texts and lists of them
    items: bound, tensors: bound, changed: bound, args: (i) => values[i], result: (i) => values[i], source: (i) => sources[i],
    called_from: (i) => sources[i], summary: maybe("TensorSummary"), preview: maybe("Preview"),
    ranges: (pairs) => pairs.map((pair) => pair.map(number)), tensor: (i) => tensors[i],
    scalar: exact, min: exact, max: exact,
  };
  const trace = Object.fromEntries(columns.Trace.map((name, i) => [name, root[i] ?? defaults.Trace[i]]));
  const named = (type, rows) => new Map(Object.entries(rows).map(([name, cells]) => [name, row(type, cells)]));
  const sources = tables.Source.map((cells) => row("Source", cells));
  const tensors = table("TensorState", trace.tensors);
  const values = [];
  table("Value", tables.Value, values);
  return {
    ...trace, tensors, values, calls: table("Call", trace.calls), lines: table("Line", trace.lines),
    stages: table("Stage", trace.stages), error: maybe("Failure")(trace.error),
    sources: named("SourceFile", trace.sources), modules: named("Module", trace.modules),
  };
}

// The same with what belongs together at hand.
function linked(trace) {
  const { calls, lines, tensors, sources, values } = trace;
  for (const source of sources.values()) source.lines = source.text.split("\n");
  for (const call of calls) {
    const bound = call.bound.map(([name, rounds]) => [name, rounds.map(([from, i]) => [from, values[i]])]);
    Object.assign(call, { around: calls[call.parent], children: [], lines: [], bound: new Map(bound) });
    call.around?.children.push(call);
  }
  for (const line of lines) calls[line.call].lines.push(line);
  for (const state of tensors) state.later = tensors[state.later];
  for (const value of values) value.tensors = value.tensors.map(([path, i]) => [path, tensors[i]]);
  return trace;
}

// As Python has it: a whole number as a BigInt; a float that is whole is written as {"float": "8.0"}.
const exact = (value) => (Number.isInteger(value) ? BigInt(value) : number(value));

// A number that JSON cannot hold is written as {"float": "nan"} or {"int": "0x…"}.
function number(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  if (!("int" in value)) return { nan: NaN, inf: Infinity, "-inf": -Infinity }[value.float] ?? Number(value.float);
  return value.int.startsWith("-") ? -BigInt(value.int.slice(1)) : BigInt(value.int);
}

export const own = (object, name) => Object.hasOwn(object, name) ? object[name] : undefined;

export const product = (shape) => shape.reduce((a, b) => a * b, 1);
