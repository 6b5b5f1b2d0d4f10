// Anchors: those of one cell of one level, at any place of the picture.
import { num } from "./text.js";

const cell = ({ state, data, scene }) => {
  const { level } = state;
  const [down, right] = data.anchors.steps[level];
  const [x, y] = state.point ?? [scene.resized[1] / 2, scene.resized[0] / 2];
  const [rows, columns] = data.levels[level].shape.slice(2);
  const inside = (value, size) => Math.max(0, Math.min(Math.round(value), size - 1));
  return { row: inside(y / down, rows), column: inside(x / right, columns), down, right, rows, columns };
};

export const anchorsKind = {
  key: "anchors",
  oneLevel: true,
  has: (image, data) => Boolean(data.anchors && data.levels),
  controls: (view) => [view.levelButtons(view.data.levels.map((_, i) => i), false)],

  draw(view, context) {
    const { row, column, down, right, rows, columns } = cell(view);
    const ink = view.levelColour(view.state.level);
    context.fillStyle = ink;
    if (right * view.scale > 5) {
      const size = 2 / view.scale;
      for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) context.fillRect(j * right - size / 2, i * down - size / 2, size, size);
    }
    const base = view.data.anchors.base[view.state.level];
    const boxes = Float32Array.from(base.flatMap(([x1, y1, x2, y2]) => [
      x1 + column * right, y1 + row * down, x2 + column * right, y2 + row * down]));
    view.strokeBoxes(context, boxes, base.map((_, i) => i), () => ({ paint: "#000a", width: 4 }));
    view.strokeBoxes(context, boxes, base.map((_, i) => i), () => ({ paint: ink, width: 2 }));
    context.beginPath();
    context.arc(column * right, row * down, 4 / view.scale, 0, 7);
    context.fill();
  },

  facts(view) {
    const { row, column, down, rows, columns } = cell(view);
    const base = view.data.anchors.base[view.state.level];
    const sizes = base.map(([x1, y1, x2, y2]) => `${num(x2 - x1)}×${num(y2 - y1)}`).join(", ");
    return view.page.say("anchors_of", {
      level: view.levelName(view.state.level), row, column, rows, columns, step: down, sizes,
      n: view.data.anchors.counts[view.state.level],
    });
  },

  move(view, across, along) {
    const { row, column, down, right } = cell(view);
    view.state.point = [(column + across) * right, (row + along) * down];
  },
};
