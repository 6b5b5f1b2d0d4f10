// What the two passes detected: both on the picture, and what became of each detection.
import { el, fill, paint, put, select } from "./dom.js";
import { boxOf } from "./geometry.js";
import { num } from "./numbers.js";
import { local, panel, rec, say } from "./page.js";
import { name, outline } from "./paint.js";
import { known } from "./together.js";

const { detections: found } = known;
const MOST_NAMED = 12;
export const isThere = found !== null;
const bitmaps = new Map();
let canvases, table, image = 0;
const every = (found?.images ?? []).flat().flatMap(({ scores }) => scores);
let score = every.some((one) => one >= 0.5) ? 0.5 : 0; // from which on they are shown, in either

export function build() {
  canvases = [0, 1].map((side) => el("canvas.scene", { role: "img", label: `${say("kind_detections")}, ${"AB"[side]}` }));
  table = el("div.scroll.outcomes", { tabindex: "0", role: "group", label: say("kind_detections") });
  const pictures = canvases.map((canvas, side) => el("figure", el("figcaption", `${"AB"[side]} · ${known.names[side]}`), canvas));
  const numbers = found.images.map((_, i) => [i, `${say("image")} ${i}`]);
  const choice = numbers.length > 1 && select(say("image"), numbers, image, (chosen) => setImage(Number(chosen)));
  const output = el("output", score.toFixed(2));
  const slider = el("label.slider", el("span", say("score")), el("input", { type: "range", min: 0, max: 1, step: 0.01, value: score, oninput: ({ target }) => {
    score = Number(target.value);
    output.textContent = score.toFixed(2);
    writeTable();
    draw();
  } }), output);
  new ResizeObserver(draw).observe(table);
  setImage(image);
  return panel("detections", "kind_detections", el("div.scene-controls", choice, slider), el("div.both", pictures), table);
}

async function setImage(number) {
  image = number;
  writeTable();
  draw();
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

// Boxes that both have are thin; those of one pass alone, or of another class, are strong and named first.
function drawSide({ size: [height, width], boxes, names, scores, inks }, side) {
  const canvas = canvases[side];
  const list = rec.array(boxes.array);
  const mine = outcomes().filter((row) => row[2 + side] != null).map(([, what, ...places]) => [places[side], what !== "kept"]);
  const ordered = [...mine].sort((a, b) => b[1] - a[1]);
  put(canvas, { style: { "aspect-ratio": width / height } });
  paint(canvas, (context, across, down) => {
    const scale = across / width;
    context.fillStyle = "#888";
    context.fillRect(0, 0, across, down);
    const bitmap = bitmaps.get(`${image} ${side}`);
    if (bitmap) context.drawImage(bitmap, 0, 0, across, down);
    const scaled = (i) => [...boxOf(list, i)].map((x) => x * scale);
    for (const [i, alone] of [...ordered].reverse()) outline(context, scaled(i), inks[i][0], alone ? 4 : 1.2, alone ? "#000" : "#0006");
    const named = ordered.slice(0, MOST_NAMED);
    const look = (k) => [`${local(names[named[k][0]])} ${scores[named[k][0]].toFixed(2)}`, ...inks[named[k][0]]];
    name(context, named.map(([i]) => scaled(i)), look, 11, "sans-serif", [across, down]);
  });
}

function writeTable() {
  const order = ["vanished", "appeared", "relabelled", "kept"];
  const rows = outcomes().sort((a, b) => order.indexOf(a[1]) - order.indexOf(b[1]));
  const heads = ["what", "class_a", "score_a", "class_b", "score_b", "iou"];
  const cells = (places) => [0, 1].flatMap((side) => {
    const { names, scores } = found.images[image][side];
    return places[side] == null ? ["–", "–"] : [local(names[places[side]]), scores[places[side]].toFixed(3)];
  });
  fill(table, el("table", el("tr", heads.map((head) => el("th", { scope: "col" }, say(`pair.${head}`)))),
    rows.map(([, what, first, second, iou]) => el(`tr.${what}`, el("td", say(`pair.${what}`)),
      [...cells([first, second]), num(iou)].map((text) => el("td", text))))));
}
