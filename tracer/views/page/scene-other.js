// Anchors: those of one cell of one level, at any place of the picture. Losses, taken apart.
import { colour, drawBars, el, paint } from "./dom.js";
import { at, groupButtons, strokeClearly } from "./drawing.js";
import { local, say } from "./page.js";

export const anchors = {
  begin: ({ levels }) => { at.group = Math.min(2, levels.length - 1); },

  controls: ({ groups }) => groupButtons(groups, false),

  draw({ levels, groups }, context) {
    const { row, column, down, right, rows, columns, base } = cellOf(levels);
    const size = 2 / at.scale;
    const ink = context.fillStyle = groups[at.group][1];
    for (let i = 0; i < rows * columns && right * at.scale > 5; i++) {
      context.fillRect((i % columns) * right - size / 2, Math.floor(i / columns) * down - size / 2, size, size);
    }
    const [x, y] = [column * right, row * down];
    const list = Float32Array.from(base.flatMap(([x1, y1, x2, y2]) => [x1 + x, y1 + y, x2 + x, y2 + y]));
    base.forEach((_, i) => strokeClearly(context, list, i, ink));
    context.beginPath();
    context.arc(x, y, 2 * size, 0, 7);
    context.fill();
  },

  told({ levels, groups }) {
    const { down: step, ...cell } = cellOf(levels);
    return say("anchors_of", { ...cell, level: local(groups[at.group][0]), step });
  },

  move({ levels }, across, along) {
    const { row, column, down, right } = cellOf(levels);
    at.point = [(column + across) * right, (row + along) * down];
  },
};

// The cell at hand: nearest to where the pointer was last, on the chosen level.
function cellOf(levels) {
  const { grid: [rows, columns], step: [down, right], ...level } = levels[at.group];
  const [x, y] = at.point ?? [at.scene.resized[1] / 2, at.scene.resized[0] / 2];
  const inside = (value, size) => Math.max(0, Math.min(Math.round(value), size - 1));
  return { ...level, rows, columns, row: inside(y / down, rows), column: inside(x / right, columns), down, right };
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
