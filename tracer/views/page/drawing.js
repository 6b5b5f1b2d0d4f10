// What all drawings of the picture share. A drawing is an object of functions, each given its data (see
// scenes.py): controls() and extra() make elements, draw() paints on the picture and drawExtra() elsewhere,
// point() and move() follow the pointer and the arrow keys, told() says what is seen.
import { el } from "./dom.js";
import { boxOf } from "./geometry.js";
import { drawNow, local, say } from "./page.js";
import { outline } from "./paint.js";

// What is chosen and pointed at, the `scene` (an image, its drawings) and its `scale` on the screen.
export const at = { group: -1, point: null, box: -1, top: 100, score: 0, step: 0, opacity: 0.6 };

// Make the controls again.
export function rebuild(chosen) {
  Object.assign(at, chosen, { stale: true });
  drawNow();
}

export const noted = (text, note) => (note ? `${text} ${local(note)}` : text);

// `look(i)` gives a box's colour, width in screen pixels, and dashes.
export function stroke(context, list, indices, look) {
  context.save();
  for (const i of indices) {
    const { ink, width = 1.5, dash = [], alpha = 1 } = look(i);
    Object.assign(context, { strokeStyle: ink, lineWidth: width / at.scale, globalAlpha: alpha });
    context.setLineDash(dash.map((d) => d / at.scale));
    const [x1, y1, x2, y2] = boxOf(list, i);
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
  }
  context.restore();
}

export const strokeClearly = (context, list, i, ink) => outline(context, boxOf(list, i), ink, 2.8 / at.scale, "#000");

export function slider(name, { min = 0, max, step = 1, show = String }) {
  const output = el("output", show(at[name]));
  const input = el("input", { type: "range", min, max, step, value: at[name], "data-name": name, oninput: () => {
    at[name] = Number(input.value);
    output.textContent = show(at[name]);
    drawNow();
  } });
  return el("label.slider", el("span", say(name)), input, output);
}

// A group is its name in every language and its colour; `all` offers them together.
export function groupButtons(groups, all = true) {
  const make = (group, hint) => el("button", {
    hint, "aria-pressed": at.group === group, style: group < 0 ? {} : inkOf(groups[group]),
    onclick: () => rebuild({ group, box: -1 }),
  }, hint);
  return el("span.groups", { role: "group", label: say("groups") },
    all && make(-1, say("all_groups")), groups.map(([names], i) => make(i, local(names))));
}

export const inkOf = ([, ink]) => ({ "--tint": ink });
