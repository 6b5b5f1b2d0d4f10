// Runs the stepper's shared cases in the page's own stepper: node page_cases.mjs PAGE_FOLDER < {name:
// {recording, steps}}, recordings as they stand in a page. Prints one JSON object: for each case the
// places where it came out differently.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const load = (name) => import(pathToFileURL(join(process.argv[2], name)));
const { unpack } = await load("record.js");
const { Cursor } = await load("stepper.js");
const { command } = await load("commands.js");
const { Refused } = await load("evaluate.js");

async function differences({ recording, steps }) {
  const cursor = new Cursor(await unpack(recording));
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

const found = Object.entries(JSON.parse(readFileSync(0, "utf8"))).map(
  async ([name, given]) => [name, await differences(given)]);
console.log(JSON.stringify(Object.fromEntries(await Promise.all(found))));
