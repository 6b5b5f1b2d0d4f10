// Runs the stepper's shared cases in the page's own stepper: node page_cases.mjs PAGE_FOLDER
// CASES_FOLDER. Prints one JSON object: for each case the places where it came out differently.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [page, cases] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(join(page, name)));
const { Cursor } = await load("stepper.js");
const { command } = await load("commands.js");
const { Refused } = await load("evaluate.js");
const read = (...parts) => JSON.parse(readFileSync(join(cases, ...parts), "utf8"));

/** A trace file with the defaults that it leaves out, as record.js gives them. */
function trace(name) {
  const it = read("traces", `${name}.json`);
  const value = (v) => v && Object.assign(v, {
    items: (v.items ?? []).map(([key, item]) => [key, value(item)]), elided: v.elided ?? 0, scalar: v.scalar ?? null, tensor: v.tensor ?? null,
  });
  for (const call of it.calls) {
    call.parent ??= null;
    call.stage ??= "";
    call.label = `${call.path || "(root)"}#${call.nth}`;
    value(call.args);
    call.result = value(call.result) ?? null;
  }
  it.lines ??= [];
  for (const line of it.lines) {
    line.changed = (line.changed ?? []).map(([key, v]) => [key, value(v)]);
    line.deleted ??= [];
  }
  it.stages ??= [];
  it.sources = new Map(Object.entries(it.sources ?? {}));
  it.modules = new Map(Object.entries(it.modules ?? {}));
  for (const module of it.modules.values()) module.settings ??= [];
  return it;
}

function differences({ trace: name, steps }) {
  const cursor = new Cursor(trace(name));
  return steps.flatMap(({ do: line, at, error = false, says }, i) => {
    let said = null;
    try {
      said = command(cursor, line);
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
    }
    const where = `step ${i + 1}, ${line}`;
    const found = [];
    if ((said === null) !== error) found.push(`${where}: ${error ? "was not refused" : "was refused"}`);
    if (cursor.tick !== at) found.push(`${where}: at ${cursor.tick}, not ${at}`);
    if (says !== undefined && said !== says) found.push(`${where}: says ${said}, not ${says}`);
    return found;
  });
}

const names = readdirSync(cases).filter((name) => name.endsWith(".json"));
console.log(JSON.stringify(Object.fromEntries(names.map((name) => [name.slice(0, -5), differences(read(name))]))));
