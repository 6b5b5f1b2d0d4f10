// How the page writes numbers: node page_numbers.mjs PAGE_FOLDER < [numbers].
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { num } = await import(pathToFileURL(join(process.argv[2], "numbers.js")));
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(num)));
