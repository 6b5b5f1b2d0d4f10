// What all drawings of the picture have in common.
import { colour } from "./canvas.js";
import { el } from "./dom.js";

/**
 * A drawing with its data, as scenes.py gives it. controls() and extra() make elements; draw(context)
 * paints on the picture, drawExtra() elsewhere; point(x, y, clicked) and move(across, along) follow the
 * pointer and the arrow keys; told() says what is seen.
 */
export class Drawing {
  constructor(view, data) {
    const { say, rec, page, scene, state } = view;
    Object.assign(this, { view, say, rec, page, scene, state }, data);
    Object.assign(state, { group: -1, box: -1 });
  }

  controls() { return []; }

  extra() { return []; }

  draw() {}

  drawExtra() {}

  point() {}

  /** A text followed by what the drawing says of itself. */
  noted(text, note = this.note) {
    return note ? `${text} ${this.page.local(note)}` : text;
  }

  groupName(i) {
    return this.page.local(this.groups[i]);
  }

  groupColour(i) {
    return colour(this.groups[i][2]);
  }

  /** Stroke boxes; `look(i)` gives the colour, the width in screen pixels and the dashes of each. */
  stroke(context, list, indices, look) {
    const { scale } = this.view;
    context.save();
    for (const i of indices) {
      const { ink, width = 1.5, dash = [], alpha = 1 } = look(i);
      Object.assign(context, { strokeStyle: ink, lineWidth: width / scale, globalAlpha: alpha });
      context.setLineDash(dash.map((d) => d / scale));
      const [x1, y1, x2, y2] = boxOf(list, i);
      context.strokeRect(x1, y1, x2 - x1, y2 - y1);
    }
    context.restore();
  }

  /** Stroke one box so that it stands out from any picture. */
  strokeClearly(context, list, i, ink) {
    this.stroke(context, list, [i], () => ({ ink: "#000", width: 5 }));
    this.stroke(context, list, [i], () => ({ ink, width: 2.5 }));
  }

  slider(name, { min = 0, max, step = 1, show = String }) {
    const { state, view } = this;
    const output = el("output", show(state[name]));
    const input = el("input", { type: "range", min, max, step, value: state[name], "data-name": name, oninput: () => {
      state[name] = Number(input.value);
      output.textContent = show(state[name]);
      view.draw();
    } });
    return el("label.slider", el("span", this.say(name)), input, output);
  }

  /** Buttons for the groups, each in its colour; `all` offers them together. */
  groupButtons(all = true) {
    const { state, say, view } = this;
    const make = (group, hint) => el("button", {
      hint, "aria-pressed": String(state.group === group), style: group < 0 ? {} : inkOf(this.groups[group][2]),
      onclick: () => view.rebuild({ group, box: -1 }),
    }, hint);
    return el("span.groups", { role: "group", label: say("groups") },
      all && make(-1, say("all_groups")), this.groups.map((_, i) => make(i, this.groupName(i))));
  }
}

/** A style that takes one of the page's colours. */
export function inkOf(name) {
  return { "--ink": `var(--${name})` };
}

/** The corners of a box: x1, y1, x2, y2. */
export function boxOf(list, i) {
  return list.subarray(4 * i, 4 * i + 4);
}

/** 0, 1, … n - 1. */
export function range(n) {
  return [...Array(n).keys()];
}
