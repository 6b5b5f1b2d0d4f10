// What the two passes detected: both on the picture, and what became of each detection. One that a pass
// lacks is drawn dashed where it would be; pointed at, it says why it is not there.
import { el, fill, paint, put, select } from "./dom.js";
import { boxAt, boxOf, range } from "./geometry.js";
import { num } from "./numbers.js";
import { local, panel, rec, say } from "./page.js";
import { name, outline } from "./paint.js";
import { known } from "./together.js";

const { detections: found } = known;
const MOST_NAMED = 12;
export const isThere = found !== null;
const bitmaps = new Map();
let canvases, table, fact, image = 0;
let rows = []; // the outcomes that are shown, those that differ first, each with its button in the table
let buttons = [];
let chosen; // the one that is pointed at, null for none
const every = (found?.images ?? []).flat().flatMap(({ scores }) => scores);
let score = every.some((one) => one >= 0.5) ? 0.5 : 0; // from which on they are shown, in either

export function build() {
  canvases = [0, 1].map((side) => el("canvas.scene", { role: "img", label: `${say("kind_detections")}, ${"AB"[side]}`,
    onpointermove: (event) => point(side, event), onclick: (event) => point(side, event) }));
  fact = el("p.scene-facts", { role: "status" });
  table = el("div.scroll.outcomes", { tabindex: "0", role: "group", label: say("kind_detections") });
  const pictures = canvases.map((canvas, side) => el("figure", el("figcaption", `${"AB"[side]} · ${known.names[side]}`), canvas));
  const numbers = found.images.map((_, i) => [i, `${say("image")} ${i}`]);
  const choice = numbers.length > 1 && select(say("image"), numbers, image, (number) => setImage(Number(number)));
  const output = el("output", score.toFixed(2));
  const slider = el("label.slider", el("span", say("score")), el("input", { type: "range", min: 0, max: 1, step: 0.01, value: score, oninput: ({ target }) => {
    score = Number(target.value);
    output.textContent = score.toFixed(2);
    writeTable();
  } }), output);
  new ResizeObserver(draw).observe(table);
  setImage(image);
  return panel("detections", "kind_detections", el("div.scene-controls", choice, slider), el("div.both", pictures), fact, table);
}

async function setImage(number) {
  image = number;
  writeTable();
  await Promise.all(found.images[number].map(async ({ picture }, side) => {
    const key = `${number} ${side}`;
    if (picture && !bitmaps.has(key)) bitmaps.set(key, await createImageBitmap(new Blob([rec.array(picture.array)], { type: "image/jpeg" })));
  }));
  draw();
}

export function update() {}

function outcomes() {
  const [first, second] = found.images[image].map(({ scores }) => scores);
  return found.outcomes.filter(([of, , i, j]) => of === image && Math.max(first[i] ?? 0, second[j] ?? 0) >= score);
}

export function draw() {
  if (!isThere || !table?.offsetWidth) return;
  found.images[image].forEach((side, k) => drawSide(side, k));
}

// The pass that an outcome's box on a side is of: the other one, where it is not there.
const sideOf = (row, side) => (row[2 + side] == null ? 1 - side : side);

// The boxes of the outcomes in the pixels of a side.
function boxesOn(side) {
  const [height, width] = found.images[image][side].size;
  return Float32Array.from(rows.flatMap((row) => {
    const of = sideOf(row, side);
    const { size, boxes } = found.images[image][of];
    return [...boxOf(rec.array(boxes.array), row[2 + of])].map((x, k) => x * (k % 2 ? height / size[0] : width / size[1]));
  }));
}

function point(side, { target, clientX, clientY }) {
  const { left, top, width, height } = target.getBoundingClientRect();
  const [down, across] = found.images[image][side].size;
  const row = rows[boxAt(boxesOn(side), range(rows.length), ((clientX - left) / width) * across, ((clientY - top) / height) * down)] ?? null;
  if (row !== chosen) choose(row);
}

function choose(row) {
  chosen = row;
  const here = [0, 1].filter((side) => row && row[2 + side] != null).map((side) => `${"AB"[side]}: ${called(row, side)}`);
  fact.textContent = [here.join(" · "), row?.[5] && local(row[5])].filter(Boolean).join("\n");
  rows.forEach((it, i) => put(buttons[i], { "aria-pressed": it === row }));
  draw();
}

function called(row, side) {
  const { names, scores } = found.images[image][side];
  return `${local(names[row[2 + side]])} ${scores[row[2 + side]].toFixed(2)}`;
}

// Boxes that both have are thin; those of one pass alone, or of another class, are strong and named first.
function drawSide({ size: [height, width], inks }, side) {
  const canvas = canvases[side];
  const list = boxesOn(side);
  const here = range(rows.length).filter((i) => rows[i][2 + side] != null);
  const inkOf = (i) => (rows[i][2 + side] == null ? found.images[image][1 - side].inks[rows[i][3 - side]] : inks[rows[i][2 + side]]);
  put(canvas, { style: { "aspect-ratio": width / height } });
  paint(canvas, (context, across, down) => {
    const scale = across / width;
    context.fillStyle = "#888";
    context.fillRect(0, 0, across, down);
    const bitmap = bitmaps.get(`${image} ${side}`);
    if (bitmap) context.drawImage(bitmap, 0, 0, across, down);
    const scaled = (i) => [...boxOf(list, i)].map((x) => x * scale);
    for (const i of range(rows.length).reverse()) {
      const alone = rows[i][1] !== "kept";
      context.setLineDash(here.includes(i) ? [] : [6, 5]);
      outline(context, scaled(i), inkOf(i)[0], here.includes(i) && alone ? 4 : 1.2, alone ? "#000" : "#0006");
    }
    context.setLineDash([]);
    if (chosen) outline(context, scaled(rows.indexOf(chosen)), "#fff", 3, "#000");
    const named = here.slice(0, MOST_NAMED);
    name(context, named.map(scaled), (k) => [called(rows[named[k]], side), ...inkOf(named[k])], 11, "sans-serif", [across, down]);
  });
}

const ORDER = ["vanished", "appeared", "relabelled", "kept"];
const HEADS = ["what", "class_a", "score_a", "class_b", "score_b", "iou"];

function writeTable() {
  rows = outcomes().sort((a, b) => ORDER.indexOf(a[1]) - ORDER.indexOf(b[1]));
  buttons = rows.map((row) => el("button.link", { onclick: () => choose(row) }, say(`pair.${row[1]}`)));
  const cells = (row) => [0, 1].flatMap((side) => {
    const { names, scores } = found.images[image][side];
    const place = row[2 + side];
    return place == null ? ["–", "–"] : [local(names[place]), scores[place].toFixed(3)];
  });
  fill(table, el("table", el("tr", HEADS.map((head) => el("th", { scope: "col" }, say(`pair.${head}`)))),
    rows.map((row, i) => el(`tr.${row[1]}`, el("td", buttons[i]), [...cells(row), num(row[4])].map((text) => el("td", text))))));
  choose(null);
}
