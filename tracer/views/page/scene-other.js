// Anchors: those of one cell of one level, at any place of the picture. Losses, taken apart.
import { colour, drawBars, el, paint } from "./dom.js";
import { at, groupButtons, strokeClearly } from "./drawing.js";
import { cellAt, range } from "./geometry.js";
import { local, say } from "./page.js";
import { dots } from "./paint.js";

export const anchors = {
  begin: ({ levels }) => { at.group = Math.min(2, levels.length - 1); },

  controls: ({ groups }) => groupButtons(groups, false),

  draw({ levels, groups, first }, context) {
    const { row, column, down, right, rows, columns, base } = cellOf(levels, first);
    const size = 2 / at.scale;
    const ink = groups[at.group][1];
    const all = right * at.scale > 5 ? range(rows * columns) : [];
    dots(context, all.flatMap((i) => [(i % columns) * right, Math.floor(i / columns) * down]), ink, size);
    const [x, y] = [column * right, row * down];
    const list = Float32Array.from(base.flatMap(([x1, y1, x2, y2]) => [x1 + x, y1 + y, x2 + x, y2 + y]));
    base.forEach((_, i) => strokeClearly(context, list, i, ink));
    context.beginPath();
    context.arc(x, y, 2 * size, 0, 7);
    context.fill();
  },

  told({ levels, groups, first }) {
    const { down: step, ...cell } = cellOf(levels, first);
    return say("anchors_of", { ...cell, level: local(groups[at.group][0]), step });
  },

  move({ levels, first }, across, along) {
    const { row, column, stride: [down, right] } = cellOf(levels, first);
    at.point = [(column + across) * right, (row + along) * down];
  },
};

// The cell at hand: the one where the pointer was last, on the chosen level.
function cellOf(levels, first) {
  const { grid: [rows, columns], step: [down, right], ...level } = levels[at.group];
  const [x, y] = at.point ?? [at.scene.resized[1] / 2, at.scene.resized[0] / 2];
  const [tall, wide] = level.stride;
  return { ...level, rows, columns, row: cellAt(y, tall, first, rows), column: cellAt(x, wide, first, columns), down, right };
}

export const losses = {
  extra: ({ losses: all }) => all.map(({ name, value, share, terms, text }) => {
    const told = text && local(text);
    return el("figure.loss", el("div.loss-value", el("b", name), el("span", value)),
      el("div.loss-bar", { style: { width: `${100 * share}%` } }),
      terms?.length > 0 && el("canvas.histogram", { role: "img", label: `${name}: ${told}` }), told && el("figcaption", told));
  }),

  // What each sample adds; as much as makes half of the sum stands out.
  drawExtra({ losses: all }) {
    const drawn = all.filter(({ terms }) => terms?.length);
    at.extra.querySelectorAll("canvas").forEach((canvas, k) => {
      const { terms, half } = drawn[k];
      const inks = ["accent", "accent-soft"].map(colour);
      paint(canvas, (...size) => drawBars(...size, Array.from(terms, (value) => value / (terms[0] || 1)), (i) => inks[i < half ? 0 : 1]));
    });
  },

  told: () => say("losses_how"),
};
