// Right, below: what the pass did on the picture. Boxes are in pixels of the resized image.
import { colour, el, fill, paint, put, select } from "./dom.js";
import { at } from "./drawing.js";
import { cursor, panel, rec, say } from "./page.js";
import { boxes, levels } from "./scene-boxes.js";
import { align, merges, overlay } from "./scene-maps.js";
import { anchors, losses } from "./scene-other.js";

const DRAWINGS = { overlay, merges, anchors, boxes, levels, align, losses };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const { images = [], fits } = read(rec.data.scenes);
export const isEmpty = !images.length;
export const hasPicture = images.some(({ picture }) => picture);
let body, canvas, head, choice, controls, facts, bitmap;
let data; // of the drawing shown,
let drawing; // its functions,
let fitting; // and the one that goes with the call at hand

// Data with the arrays that it names, each as {array: name}.
function read(given) {
  if (given === null || typeof given !== "object") return given;
  if (Array.isArray(given)) return given.map(read);
  if (given.array) return rec.array(given.array);
  return Object.fromEntries(Object.entries(given).map(([name, item]) => [name, read(item)]));
}

export function build() {
  canvas = el("canvas.scene", { tabindex: "0", role: "img", onkeydown: key,
    onpointermove: (event) => pointed(event, false), onclick: (event) => pointed(event, true) });
  [head, controls, at.extra] = ["head", "controls", "extra"].map((name) => el(`div.scene-${name}`));
  facts = el("p.scene-facts.quiet", { role: "status" });
  body = el("div.body", head, canvas, facts, controls, at.extra);
  new ResizeObserver(draw).observe(body);
  if (!isEmpty) setImage(Math.max(images.indexOf(at.scene), 0));
  return panel("picture", "picture", body);
}

async function setImage(number) {
  at.scene = images[number];
  const { drawings, picture } = at.scene;
  const shown = drawings.some((one) => one.key === data?.key) ? data.key : drawings[0].key;
  choice = select(say("drawing"), drawings.map((one) => [one.key, say(`kind_${one.key}`)]), shown, choose);
  const numbers = images.map(({ image }, i) => [i, `${say("image")} ${image}`]);
  fill(head, choice, images.length > 1 && select(say("image"), numbers, number, (chosen) => setImage(Number(chosen))));
  bitmap = null;
  choose(shown);
  if (!picture) return;
  bitmap = await createImageBitmap(new Blob([picture], { type: "image/jpeg" }));
  draw();
}

export function update() {
  if (isEmpty) return;
  const { drawings } = at.scene;
  const wanted = fits[cursor.position.call.id];
  const { key } = drawings.find((one) => one.key === wanted) ?? drawings[0];
  if (key !== fitting && key !== data.key) prepare(key);
  fitting = key;
}

function choose(key) {
  prepare(key);
  draw();
}

function prepare(key) {
  data = at.scene.drawings.find((one) => one.key === key);
  drawing = DRAWINGS[data.kind];
  Object.assign(at, { group: -1, box: -1, stale: true });
  drawing.begin?.(data);
  choice.value = key;
  put(canvas, { hidden: !drawing.draw, label: say(`kind_${key}`) });
}

export function draw() {
  if (isEmpty || !body.offsetWidth) return;
  if (at.stale) {
    fill(controls, drawing.controls?.(data));
    fill(at.extra, drawing.extra?.(data));
    body.classList.toggle("with-extra", Boolean(at.extra.firstChild && drawing.draw));
    at.stale = false;
  }
  if (drawing.draw) drawPicture();
  drawing.drawExtra?.(data);
  facts.textContent = drawing.told(data);
}

function drawPicture() {
  const [height, width] = at.scene.resized;
  put(canvas, { style: { "aspect-ratio": width / height, "--aspect": width / height } });
  paint(canvas, (context, across, down) => {
    at.scale = across / width;
    context.fillStyle = colour("panel");
    context.fillRect(0, 0, across, down);
    if (bitmap) context.drawImage(bitmap, 0, 0, across, down);
    context.scale(at.scale, at.scale);
    drawing.draw(data, context);
  });
}

function pointed({ clientX, clientY }, clicked) {
  const { left, top } = canvas.getBoundingClientRect();
  at.point = [(clientX - left) / at.scale, (clientY - top) / at.scale];
  drawing.point?.(data, ...at.point, clicked);
  const slider = controls.querySelector('[data-name="box"]');
  if (slider) slider.value = at.box;
  draw();
}

function key(event) {
  if (!ARROWS[event.key] || !drawing.move) return;
  event.preventDefault();
  event.stopPropagation();
  drawing.move(data, ...ARROWS[event.key]);
  draw();
}
