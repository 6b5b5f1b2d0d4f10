// What became of an object, and how a detection came to be: on the picture and station by station.
// story.py says what the drawing holds.
import { el, fill, put, reveal } from "./dom.js";
import { at, stroke, strokeClearly } from "./drawing.js";
import { boxAt, range } from "./geometry.js";
import { drawNow, go, local, say } from "./page.js";
import { targetLook } from "./scene-boxes.js";

let list, rows, told;

export const stories = {
  begin({ first }) {
    at.box = first;
  },

  extra(data) {
    rows = data.stories.map(({ cells }, i) => {
      const [name, ...others] = local(cells);
      return el("tr", el("th", el("button.link", { onclick: () => choose(data, i) }, name)), others.map((text) => el("td", text)));
    });
    list = el("div.scroll", { tabindex: "0", role: "group", label: say("kind_stories") },
      el("table.stories", el("thead", el("tr", local(data.heads).map((text) => el("th", text)))), el("tbody", rows)));
    told = el("div.story");
    write(data);
    return [el("p", local(data.note)), list, told];
  },

  draw({ boxes, objects, stories: all }, context) {
    stroke(context, boxes, range(boxes.length / 4), (i) => (i < objects ? targetLook() : { ink: "#fff", width: 1, alpha: 0.4 }));
    strokeClearly(context, boxes, at.box, targetLook().ink);
    const { way } = all[at.box];
    for (const [box, ink] of way) strokeClearly(context, Float32Array.from(box), 0, ink);
  },

  point(data, x, y, clicked) {
    const i = clicked ? boxAt(data.boxes, range(data.stories.length), x, y) : -1;
    if (i >= 0) choose(data, i);
  },

  move(data, right, down) {
    choose(data, Math.max(0, Math.min(at.box + right + down, rows.length - 1)));
  },

  told: ({ stories: all }) => `${local(all[at.box].verdict)}\n${say("stories_hint")}`,
};

function choose(data, i) {
  at.box = i;
  write(data);
  drawNow();
}

function write({ stories: all }) {
  const { steps, ticks, inks, lost, notes } = all[at.box];
  rows.forEach((row, i) => put(row.querySelector("button"), { "aria-pressed": i === at.box }));
  reveal(list, rows[at.box]);
  fill(told, el("ol", local(steps).map(([name, numbers, text], i) => el(`li${i === lost ? ".lost" : ""}`, { style: inks[i] ? { "--tint": inks[i] } : {} },
    ticks[i] === null ? el("b", name) : el("button.link", { onclick: () => go(ticks[i]) }, name), " ", el("span.quiet", numbers), el("p", text)))),
  local(notes).map((text) => el("p", text)));
}
