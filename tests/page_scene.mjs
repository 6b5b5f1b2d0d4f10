// What paint.js paints of maps, points and lines: node page_scene.mjs PAGE_FOLDER < {pixels, stride, first, points,
// box, parts}. Prints what it asked of a canvas, a call each: where the map lies, the squares, the ends of the lines.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { dots, overlaid, ruled } = await import(pathToFileURL(join(process.argv[2], "paint.js")));
const { pixels, stride, first, points, box, parts } = JSON.parse(readFileSync(0, "utf8"));
const asked = { drawImage: [], fillRect: [], moveTo: [], lineTo: [] };
const context = { beginPath() {}, stroke() {} };
for (const [name, calls] of Object.entries(asked)) context[name] = (...given) => calls.push(given);
overlaid(context, pixels, stride, first);
dots(context, points, "#fff", 2);
ruled(context, box, parts, "#fff", 1);
console.log(JSON.stringify(asked));
