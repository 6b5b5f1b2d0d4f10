// What all drawings of the picture have in common. A drawing is an object of functions, each given its
// data (see scenes.py): controls() and extra() make elements; draw(…, context) paints on the picture,
// drawExtra() elsewhere; point(…, x, y, clicked) and move(…, across, along) follow the pointer and the
// arrow keys; told() says what is seen.
import { colour, el } from "./dom.js";
import { boxOf } from "./geometry.js";
import { drawNow, local, say } from "./page.js";

/** What is chosen and pointed at, the `scene` (an image with its drawings), and its `scale` on the screen. */
export const at = { group: -1, point: null, box: -1, top: 100, score: 0, step: 0, opacity: 0.6 };

/** Make the controls again, after something chosen by one of them. */
export function rebuild(chosen) {
  Object.assign(at, chosen, { stale: true });
  drawNow();
}

/** A text followed by what the drawing says of itself. */
export const noted = (text, note) => (note ? `${text} ${local(note)}` : text);

/** Stroke boxes; `look(i)` gives the colour, the width in screen pixels and the dashes of each. */
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

/** Stroke one box so that it stands out from any picture. */
export function strokeClearly(context, list, i, ink) {
  stroke(context, list, [i], () => ({ ink: "#000", width: 5 }));
  stroke(context, list, [i], () => ({ ink, width: 2.5 }));
}

export function slider(name, { min = 0, max, step = 1, show = String }) {
  const output = el("output", show(at[name]));
  const input = el("input", { type: "range", min, max, step, value: at[name], "data-name": name, oninput: () => {
    at[name] = Number(input.value);
    output.textContent = show(at[name]);
    drawNow();
  } });
  return el("label.slider", el("span", say(name)), input, output);
}

/** Buttons for groups, each a name in both languages and a colour; `all` offers them together. */
export function groupButtons(groups, all = true) {
  const make = (group, hint) => el("button", {
    hint, "aria-pressed": String(at.group === group), style: group < 0 ? {} : inkOf(groups[group]),
    onclick: () => rebuild({ group, box: -1 }),
  }, hint);
  return el("span.groups", { role: "group", label: say("groups") },
    all && make(-1, say("all_groups")), groups.map((names, i) => make(i, local(names))));
}

/** The colour of a group, for the style and for painting. */
export const inkOf = ([, , name]) => ({ "--ink": `var(--${name})` });
export const colourOf = ([, , name]) => colour(name);
