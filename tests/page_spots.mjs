// Where page and deck write names: node page_spots.mjs PAGE_FOLDER < [{boxes, sizes, picture}]. Prints for
// each of them the upper left corner of every name, null for none.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { places } = await import(pathToFileURL(join(process.argv[2], "paint.js")));
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(({ boxes, sizes, picture }) => places(boxes, sizes, picture))));
