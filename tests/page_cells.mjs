// Which cell the page finds a pixel in: node page_cells.mjs PAGE_FOLDER < [[pixel, stride, first, count], …].
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { cellAt } = await import(pathToFileURL(join(process.argv[2], "geometry.js")));
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map((asked) => cellAt(...asked))));
