// Anchors: those of one cell of one level, at any place of the picture. Losses, taken apart.
import { colour, paint } from "./canvas.js";
import { el } from "./dom.js";
import { count, num } from "./text.js";

/** The cell at hand: nearest to where the pointer was last, on the chosen level. */
function cellAt({ state, drawing, scene }) {
  const level = drawing.levels[state.group];
  const [down, right] = level.step;
  const [x, y] = state.point ?? [scene.resized[1] / 2, scene.resized[0] / 2];
  const inside = (value, size) => Math.max(0, Math.min(Math.round(value), size - 1));
  return { ...level, row: inside(y / down, level.grid[0]), column: inside(x / right, level.grid[1]), down, right };
}

export const anchors = {
  begin(view) {
    view.state.group = Math.min(2, view.drawing.levels.length - 1);
  },

  controls: (view) => [view.groupButtons(false)],

  draw(view, context) {
    const { row, column, down, right, grid: [rows, columns], base } = cellAt(view);
    const ink = view.groupColour(view.state.group);
    const size = 2 / view.scale;
    context.fillStyle = ink;
    if (right * view.scale > 5) {
      for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) context.fillRect(j * right - size / 2, i * down - size / 2, size, size);
    }
    const [x, y] = [column * right, row * down];
    const list = Float32Array.from(base.flatMap(([x1, y1, x2, y2]) => [x1 + x, y1 + y, x2 + x, y2 + y]));
    base.forEach((_, i) => view.strokeClearly(context, list, i, ink));
    context.beginPath();
    context.arc(x, y, 2 * size, 0, 7);
    context.fill();
  },

  facts(view) {
    const { row, column, down, grid: [rows, columns], base, count: n } = cellAt(view);
    const sizes = base.map(([x1, y1, x2, y2]) => `${num(x2 - x1)}×${num(y2 - y1)}`).join(", ");
    return view.page.say("anchors_of", { level: view.groupName(view.state.group), row, column, rows, columns, step: down, sizes, n: count(n) });
  },

  move(view, across, along) {
    const { row, column, down, right } = cellAt(view);
    view.state.point = [(column + across) * right, (row + along) * down];
  },
};

export const losses = {
  noCanvas: true,

  extra({ drawing, page }) {
    const most = Math.max(...drawing.losses.map(({ value }) => Number(value) || 0), 1e-9);
    return drawing.losses.map(({ name, value, terms, sum, divisor, half }) => {
      const n = terms ? page.rec.array(terms).values.length : 0;
      const told = n ? page.say("loss_sum", { sum: num(sum), divisor, half, n }) : page.say("loss_none");
      return el("figure", { class: "loss" },
        el("div", { class: "loss-value" }, el("b", { text: name }), el("span", { text: num(value) })),
        el("div", { class: "loss-bar", style: { width: `${(100 * (Number(value) || 0)) / most}%` } }),
        n ? el("canvas", { class: "histogram", role: "img", "aria-label": `${name}: ${told}`, "data-terms": terms }) : null,
        terms ? el("figcaption", { text: told }) : null);
    });
  },

  /** What each sample adds, by falling size; as much of it as makes half of the sum stands out. */
  drawExtra(view) {
    for (const canvas of view.extra.querySelectorAll("canvas")) {
      const values = view.values(canvas.dataset.terms);
      const { half } = view.drawing.losses.find(({ terms }) => terms === canvas.dataset.terms);
      paint(canvas, (context, width, height) => values.forEach((value, i) => {
        context.fillStyle = colour(i < half ? "accent" : "accent-soft");
        const tall = ((height - 1) * value) / (values[0] || 1);
        context.fillRect((i * width) / values.length, height - tall, width / values.length + 0.3, tall);
      }));
    }
  },

  facts: (view) => view.page.say("losses_how"),
};
