// What the page answers: node page_answers.mjs PAGE_FOLDER < [{recording, starts, lines}]. Prints for
// each of them a list: for every line what it says (null where it is refused) and the tick after it.
// `starts` names the lines that a new cursor begins with.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const load = (name) => import(pathToFileURL(join(process.argv[2], name)));
const { unpack } = await load("record.js");
const { Cursor } = await load("stepper.js");
const { command } = await load("commands.js");
const { Refused } = await load("evaluate.js");

function answer(cursor, line) {
  try {
    return command(cursor, line);
  } catch (refused) {
    if (!(refused instanceof Refused)) throw new Error(line, { cause: refused });
    return null;
  }
}

async function answers({ recording, starts, lines }) {
  const trace = await unpack(recording);
  const fresh = new Set(starts);
  let cursor;
  return lines.map((line, i) => {
    if (fresh.has(i)) cursor = new Cursor(trace);
    return [answer(cursor, line), cursor.tick];
  });
}

const given = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(await Promise.all(given.map(answers))));
