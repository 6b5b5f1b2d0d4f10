// Runs the page's RoIAlign: node page_geometry.mjs PAGE_FOLDER < [{box, scale, bins, ratio, map}].
// Prints for each the sampling points and what comes out.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { layGrid, pool } = await import(pathToFileURL(join(process.argv[2], "geometry.js")));
const cases = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(cases.map(({ box, scale, bins, ratio, map }) => {
  const grid = layGrid(box, scale, bins, ratio);
  return { points: grid.points, out: pool(grid, map.flat(), map[0].length, map.length) };
})));
