// A flow, for the page and for decks: things that move from place to place, a step a second. It can be
// stopped at any step, and walked; who wants no motion sees each step at once. flows/model.py says what it holds.
import { dots, ruled } from "./paint.js";

const SECOND = 1000;
const ease = (t) => t * t * (3 - 2 * t);
const element = (tag, names) => Object.assign(document.createElement(tag), { className: names ?? "" });

// `local(texts)` chooses the language; `words` are the texts of the buttons, a list by language each.
export function flow(data, words, local) {
  const [width, height] = data.size;
  const board = element("canvas");
  const told = element("p", "flow-told");
  const root = element("div", "flow");
  const bitmaps = new Map();
  const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  let [before, now, began, frame, timer] = [0, 0, 0, null, null];

  const placed = (step, i) => data.steps[step].at[i];

  function draw(time = Infinity) {
    frame = null;
    const part = Math.min(1, (time - began) / (0.7 * SECOND));
    const scale = Math.min(globalThis.devicePixelRatio || 1, 2) * ((board.clientWidth || width) / width);
    [board.width, board.height] = [width * scale, height * scale];
    const paper = board.getContext("2d");
    paper.scale(scale, scale);
    data.items.forEach((item, i) => {
      const [from, to] = [placed(before, i), placed(now, i)];
      const [a, b] = [from ?? to, to ?? from];
      if (!a) return;
      const t = ease(Math.max(0, part));
      const at = a.map((v, k) => v + (b[k] - v) * t);
      at[4] = (from ? a[4] : 0) * (1 - t) + (to ? b[4] : 0) * t;
      if (at[4] > 0.01) DRAW[item.kind](paper, at, item, i);
    });
    if (part < 1) frame = requestAnimationFrame(draw);
  }

  const ink = (item) => item.colour || getComputedStyle(board).color;

  function lined(paper, item, wide, path) {
    const edge = paper.globalAlpha;
    paper.setLineDash(item.dashed ? [6, 4] : []);
    for (const [w, colour, alpha] of [[wide + 1.4, "#000", 0.5], [wide, ink(item), 1]]) {
      Object.assign(paper, { lineWidth: w, strokeStyle: colour, globalAlpha: edge * alpha });
      path();
    }
    paper.globalAlpha = edge;
  }

  const rows = (item) => item.cells ?? [1, 1];

  const DRAW = {
    image(paper, [x, y, w, h, alpha], item, i) {
      const bitmap = bitmaps.get(i);
      if (!bitmap) return;
      Object.assign(paper, { globalAlpha: alpha, imageSmoothingEnabled: !item.plain && bitmap.width > 40 });
      paper.drawImage(bitmap, x, y, w, h);
    },
    box(paper, [x, y, w, h, alpha], item) {
      paper.globalAlpha = alpha;
      lined(paper, item, 2.2, () => paper.strokeRect(x, y, w, h));
    },
    fill(paper, [x, y, w, h, alpha], item) {
      Object.assign(paper, { globalAlpha: alpha, fillStyle: ink(item) });
      paper.fillRect(x, y, w, h);
    },
    grid(paper, [x, y, w, h, alpha], item) {
      paper.globalAlpha = alpha;
      paper.setLineDash([]);
      ruled(paper, [x, y, w, h], rows(item), ink(item), 0.7);
    },
    dots(paper, [x, y, w, h, alpha], item) {
      const [down, across] = rows(item);
      paper.globalAlpha = alpha;
      dots(paper, Array.from({ length: down * across }, (_, i) => [x + ((i % across + 0.5) * w) / across, y + ((Math.floor(i / across) + 0.5) * h) / down]).flat(), ink(item), 2.4);
    },
    text(paper, [x, y, , h, alpha], item) {
      Object.assign(paper, { globalAlpha: alpha, fillStyle: ink(item), font: `600 ${h}px ${getComputedStyle(board).fontFamily}` });
      paper.fillText(local(item.text), x, y);
    },
  };

  function go(step) {
    before = now;
    now = Math.max(0, Math.min(step, data.steps.length - 1));
    const count = local(words.at).replace("{step}", now + 1).replace("{all}", data.steps.length);
    told.textContent = `${count}　${local(data.steps[now].said)}`;
    back.disabled = now === 0;
    on.disabled = now === data.steps.length - 1;
    began = performance.now();
    cancelAnimationFrame(frame);
    draw(still() || before === now ? Infinity : began);
  }

  // A step a second.
  function play(is) {
    clearTimeout(timer);
    timer = null;
    if (is) {
      if (now === data.steps.length - 1) go(0);
      const next = () => {
        if (!root.isConnected) return play(false);
        go(now + 1);
        timer = now < data.steps.length - 1 ? setTimeout(next, SECOND) : null;
        label();
      };
      timer = setTimeout(next, SECOND);
    }
    label();
  }

  function label() {
    toggle.textContent = local(timer ? words.stop : words.play);
    toggle.setAttribute("aria-pressed", Boolean(timer));
  }

  const button = (act) => Object.assign(element("button", "tool"), { type: "button", onclick: act });
  const back = button(() => { play(false); go(now - 1); });
  const on = button(() => { play(false); go(now + 1); });
  const toggle = button(() => play(!timer));
  back.textContent = `‹ ${local(words.back)}`;
  on.textContent = `${local(words.on)} ›`;
  told.setAttribute("role", "status");
  board.setAttribute("role", "img");
  board.setAttribute("aria-label", local(data.title));
  const controls = element("div", "flow-controls");
  controls.append(back, toggle, on);
  root.append(board, told, controls);
  data.items.forEach(async (item, i) => {
    if (!item.image) return;
    const bytes = Uint8Array.from(atob(item.image), (c) => c.charCodeAt(0));
    bitmaps.set(i, await createImageBitmap(new Blob([bytes])));
    if (!frame) draw();
  });
  new ResizeObserver(() => frame || draw()).observe(board);
  go(0);
  label();
  root.addEventListener("keydown", (event) => [" ", "Enter"].includes(event.key) && event.stopPropagation()); // the buttons' own
  return Object.assign(root, { stop: () => timer && play(false) });
}
