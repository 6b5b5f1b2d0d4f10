// Anchors: those of one cell of one level, at any place of the picture. Losses, taken apart.
import { colour, paint } from "./canvas.js";
import { el } from "./dom.js";
import { Drawing } from "./drawing.js";
import { count, num } from "./text.js";

export class Anchors extends Drawing {
  constructor(view, data) {
    super(view, data);
    this.state.group = Math.min(2, this.levels.length - 1);
  }

  /** The cell at hand: nearest to where the pointer was last, on the chosen level. */
  cell() {
    const level = this.levels[this.state.group];
    const { grid: [rows, columns], step: [down, right] } = level;
    const [x, y] = this.state.point ?? [this.scene.resized[1] / 2, this.scene.resized[0] / 2];
    const inside = (value, size) => Math.max(0, Math.min(Math.round(value), size - 1));
    return { ...level, rows, columns, row: inside(y / down, rows), column: inside(x / right, columns), down, right };
  }

  controls() {
    return [this.groupButtons(false)];
  }

  draw(context) {
    const { row, column, down, right, rows, columns, base } = this.cell();
    const { scale } = this.view;
    const ink = this.groupColour(this.state.group);
    const size = 2 / scale;
    context.fillStyle = ink;
    if (right * scale > 5) {
      for (let i = 0; i < rows * columns; i++) {
        const [x, y] = [(i % columns) * right, Math.floor(i / columns) * down];
        context.fillRect(x - size / 2, y - size / 2, size, size);
      }
    }
    const [x, y] = [column * right, row * down];
    const list = Float32Array.from(base.flatMap(([x1, y1, x2, y2]) => [x1 + x, y1 + y, x2 + x, y2 + y]));
    base.forEach((_, i) => this.strokeClearly(context, list, i, ink));
    context.beginPath();
    context.arc(x, y, 2 * size, 0, 7);
    context.fill();
  }

  told() {
    const { down: step, count: n, base, ...cell } = this.cell();
    const sizes = base.map(([x1, y1, x2, y2]) => `${num(x2 - x1)}×${num(y2 - y1)}`).join(", ");
    return this.say("anchors_of", { ...cell, level: this.groupName(this.state.group), step, sizes, n: count(n) });
  }

  move(across, along) {
    const { row, column, down, right } = this.cell();
    this.state.point = [(column + across) * right, (row + along) * down];
  }
}

export class Losses extends Drawing {
  noCanvas = true;

  extra() {
    const most = Math.max(...this.losses.map(({ value }) => Number(value) || 0), 1e-9);
    return this.losses.map(({ name, value, terms, text }) => {
      const told = text && this.page.local(text);
      return el("figure.loss", el("div.loss-value", el("b", name), el("span", num(value))),
        el("div.loss-bar", { style: { width: `${(100 * (Number(value) || 0)) / most}%` } }),
        terms?.length > 0 && el("canvas.histogram", { role: "img", label: `${name}: ${told}` }),
        told && el("figcaption", told));
    });
  }

  /** What each sample adds, by falling size; as much of it as makes half of the sum stands out. */
  drawExtra() {
    const drawn = this.losses.filter(({ terms }) => terms?.length);
    this.view.extra.querySelectorAll("canvas").forEach((canvas, k) => {
      const { terms, half } = drawn[k];
      paint(canvas, (context, width, height) => terms.forEach((value, i) => {
        context.fillStyle = colour(i < half ? "accent" : "accent-soft");
        const tall = ((height - 1) * value) / (terms[0] || 1);
        context.fillRect((i * width) / terms.length, height - tall, width / terms.length + 0.3, tall);
      }));
    });
  }

  told() {
    return this.say("losses_how");
  }
}
