// Runs the page's RoIAlign: node page_geometry.mjs PAGE_FOLDER < {grids, bins}. Prints for each grid
// the places of the samples across and down.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { samples } = await import(pathToFileURL(join(process.argv[2], "geometry.js")));
const { grids, bins: [rows, columns] } = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(grids.map(([x, y, wide, high, across, down]) => [
  samples(x, wide, columns, across), samples(y, high, rows, down)])));
