// Right, below: what the pass did on the picture. Boxes are in pixels of the resized image.
import { colour, el, fill, paint, put, select } from "./dom.js";
import { at } from "./drawing.js";
import { cursor, panel, rec, say } from "./page.js";
import { boxes, levels } from "./scene-boxes.js";
import { align, merges, overlay } from "./scene-maps.js";
import { flows } from "./scene-flow.js";
import { anchors, losses } from "./scene-other.js";
import { stories } from "./story.js";

const DRAWINGS = { overlay, merges, anchors, boxes, levels, align, losses, stories, flows };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const { images = [], fits } = read(rec.data.scenes);
export const isEmpty = !images.length;
export const hasStories = images.some(({ drawings }) => drawings.some(({ kind }) => kind === "stories"));
export const hasPicture = images.some(({ picture }) => picture);
let body, canvas, head, choice, controls, facts, bitmap, watch, chosen;
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

// `whenChosen(tab)` is told whose drawing it is that was chosen.
export function build(whenChosen) {
  chosen = whenChosen;
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
  choice = select(say("drawing"), [], shown, (key) => { choose(key); chosen(isStory() ? "story" : "picture"); });
  fill(choice, [...new Set(drawings.map(({ stage }) => stage))].map((stage) => listed(stage, drawings.filter((one) => one.stage === stage))));
  const numbers = images.map(({ image }, i) => [i, `${say("image")} ${image}`]);
  watch = el("button.tool.watch", { onclick: () => choose(data.watch) }, `▶ ${say("flow_watch")}`);
  fill(head, choice, watch, images.length > 1 && select(say("image"), numbers, number, (chosen) => setImage(Number(chosen))));
  bitmap = null;
  choose(shown);
  if (!picture) return;
  bitmap = await createImageBitmap(new Blob([picture], { type: "image/jpeg" }));
  draw();
}

// The drawings about a stage, of which some move.
function listed(stage, drawings) {
  const options = drawings.map(({ key, kind }) => el("option", { value: key }, kind === "flows" && "▶ ", say(`kind_${key}`)));
  return Object.assign(el("optgroup", options), { label: stage || say("drawings_any") });
}

export function update() {
  if (isEmpty) return;
  const { drawings } = at.scene;
  const wanted = fits[cursor.position.call.id];
  const { key } = drawings.find((one) => one.key === wanted) ?? drawings[0];
  if (key !== fitting && key !== data.key && !isStory()) prepare(key);
  fitting = key;
}

const isStory = () => data?.kind === "stories";

// Stories stay while one steps; other drawings follow the call.
export function tellStories(asked) {
  if (asked !== isStory() && at.scene) show(asked ? "stories" : fitting ?? at.scene.drawings[0].key);
}

// A drawing by its key, where there is one.
export const show = (key) => at.scene?.drawings.some((one) => one.key === key) && choose(key);

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
  put(watch, { hidden: !data.watch });
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
  facts.textContent = drawing.told(data);
  if (drawing.draw) drawPicture();
  drawing.drawExtra?.(data);
}

function drawPicture() {
  const [height, width] = at.scene.resized;
  // What stands above and below it stays in sight, as far as there is room.
  const rest = [head, facts, controls].reduce((sum, part) => sum + part.offsetHeight, 0);
  put(canvas, { style: { "aspect-ratio": width / height, "--aspect": width / height, "--rest": `${rest}px` } });
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
