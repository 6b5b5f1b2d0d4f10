// Boxes on the picture: proposals, matches, RoIs, detections. boxes.py says what a drawing holds.
import { colour, paint } from "./canvas.js";
import { el } from "./dom.js";
import { boxOf, Drawing, range } from "./drawing.js";
import { boxAt } from "./geometry.js";
import { count, num } from "./text.js";

const NAMED = 12; // boxes that get their group and score written beside them
const TARGET = { ink: "#f0e442", width: 2, dash: [6, 4] };
const LINKED = {
  origin: () => ({ ink: "#fff", width: 1.6, dash: [2, 4] }),
  rival: () => ({ ink: colour("error"), width: 2.5, dash: [7, 4] }),
  target: () => ({ ...TARGET, width: 3.5 }),
};

export class Boxes extends Drawing {
  constructor(view, data) {
    super(view, data);
    this.total = this.boxes.length / 4;
    this.state.step = (this.steps?.length ?? 0) - 1;
    // Weak detections are hidden at first, if there are others.
    this.state.score = Math.max(0, ...(this.scores ?? [])) >= 0.5 ? 0.5 : 0;
  }

  /** The boxes of the chosen group, of enough score, that were left after the chosen step: the best of them. */
  shown() {
    const { fate, scores, group, state } = this;
    const fits = (i) => (!fate?.[i] || fate[i] - 1 > state.step) && (state.group < 0 || group[i] === state.group)
      && !(scores?.[i] < state.score);
    const found = [];
    for (let i = 0; i < this.total && found.length < state.top; i++) if (fits(i)) found.push(i);
    return found;
  }

  controls() {
    return [
      this.groupButtons(),
      this.scores && this.slider("score", { max: 1, step: 0.01, show: (v) => v.toFixed(2) }),
      this.slider("top", { min: 1, max: 1000 }),
      // For those who cannot point.
      this.slider("box", { min: -1, max: this.total - 1, show: (i) => (i < 0 ? "–" : `#${i}`) }),
    ];
  }

  extra() {
    return this.steps && this.funnel();
  }

  draw(context) {
    const { boxes, group, scores, state: { box } } = this;
    const found = this.shown();
    const inks = this.groups.map((_, i) => this.groupColour(i));
    const alpha = found.length > 60 ? 0.75 : 1;
    this.stroke(context, boxes, found, (i) => ({ ink: inks[group[i]], width: scores ? 2.2 : 1.5, alpha }));
    const { targets = [] } = this.scene;
    this.stroke(context, targets, range(targets.length / 4), () => TARGET);
    if (scores) for (const i of found.slice(0, NAMED).reverse()) this.label(context, i, inks[group[i]]);
    if (box < 0 || box >= this.total) return;
    this.strokeClearly(context, boxes, box, "#fff");
    for (const [look, list, which] of this.linked ?? []) {
      const i = which ? which[box] : box;
      if (i >= 0) this.stroke(context, list, [i], LINKED[look]);
    }
  }

  /** Group and score, written at a box's upper edge. */
  label(context, i, ink) {
    const text = `${this.groupName(this.group[i])} ${this.scores[i].toFixed(2)}`;
    const size = 11 / this.view.scale;
    context.font = `600 ${size}px system-ui, sans-serif`;
    const [x, y] = [this.boxes[4 * i], Math.max(this.boxes[4 * i + 1], size * 1.4)];
    context.fillStyle = ink;
    context.fillRect(x, y - size * 1.4, context.measureText(text).width + size * 0.6, size * 1.4);
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(ink.slice(at, at + 2), 16));
    context.fillStyle = 0.3 * r + 0.59 * g + 0.11 * b > 130 ? "#14171f" : "#fff";
    context.fillText(text, x + size * 0.3, y - size * 0.35);
  }

  point(x, y) {
    this.state.box = boxAt(this.boxes, this.shown(), x, y);
  }

  told() {
    const { say, columns, state: { box: i } } = this;
    if (i < 0 || i >= this.total) return this.noted(say("boxes_shown", { n: count(this.shown().length) }));
    const [x1, y1, x2, y2] = boxOf(this.boxes, i);
    const filled = Object.entries(columns).map(([name, it]) => [name, num(ArrayBuffer.isView(it) ? it[i] : it)]);
    return say(this.facts, {
      i, size: [x2 - x1, y2 - y1].map(num).join("×"), group: this.groupName(this.group[i]), score: num(this.scores?.[i]),
      end: this.fate && this.end(this.fate[i], columns.by?.[i]), ...Object.fromEntries(filled),
    });
  }

  /** What became of a candidate. */
  end(fate, by) {
    if (!fate) return this.say("fate_kept");
    return this.say(by >= 0 ? "fate_nms" : "fate_removed", { step: this.page.local(this.steps[fate - 1].name), by });
  }

  /** A row per step, its bar parted by group; choosing one shows what was left after it. */
  funnel() {
    const most = Math.max(...this.steps.map(({ left }) => left), 1);
    const rows = this.steps.map(({ name, left, parts }, step) => {
      const text = this.page.local(name);
      return el("button.funnel-row", {
        hint: `${text}: ${count(left)}`, "aria-pressed": String(this.state.step === step),
        onclick: () => this.view.rebuild({ step }),
      }, el("span", text), el("span.funnel-bar", { style: { width: `${99 * Math.sqrt(left / most) + 1}%` } },
        parts.map((part, i) => el("i", { style: { "flex-grow": part, background: `var(--${this.groups[i][2]})` } }))),
      el("span.funnel-count", count(left)));
    });
    return el("div", { role: "group", label: this.say("funnel") }, rows);
  }
}

const LEAST = 3; // log₂ of the side at the left edge
const SPAN = 7.5;

/** Which level each RoI is pooled from. */
export class Levels extends Boxes {
  extra() {
    return el("canvas.level-chart", { role: "img", hint: this.say("level_chart"), onpointermove: ({ target, clientX }) => {
      const { left, width } = target.getBoundingClientRect();
      const wanted = LEAST + (SPAN * (clientX - left)) / width;
      const far = (i) => Math.abs(Math.log2(this.columns.side[i]) - wanted);
      this.state.box = this.shown().reduce((a, b) => (a < 0 || far(b) < far(a) ? b : a), -1);
      this.view.draw();
    } });
  }

  drawExtra() {
    paint(this.view.extra.querySelector("canvas"), (...args) => this.drawLevels(...args));
  }

  /** Every RoI as a dot: its side against its level, and where the formula changes level. */
  drawLevels(context, width, height) {
    const { groups, limits: [low, high], columns: { scale, level, side } } = this;
    const x = (length) => (width * (Math.log2(length) - LEAST)) / SPAN;
    const edge = (k) => scale * 2 ** (low + k - level); // the side from which on level k is taken
    const row = (height - 20) / groups.length;
    const top = (k) => height - 20 - (k + 1) * row;
    const inks = groups.map((_, k) => this.groupColour(k));
    context.font = "11px ui-monospace, monospace";
    groups.forEach((_, k) => {
      const from = k === 0 ? 0 : x(edge(k));
      const to = low + k === high ? width : x(edge(k + 1));
      context.fillStyle = inks[k];
      context.globalAlpha = 0.18;
      context.fillRect(from, top(k), to - from, row - 2);
      context.globalAlpha = 1;
      context.fillText(this.groupName(k), 4, top(k) + row / 2 + 4);
      context.fillStyle = colour("quiet");
      if (k) context.fillText(String(Math.round(edge(k))), from - 10, height - 6);
    });
    for (const i of this.shown()) {
      const [k, chosen] = [this.group[i], i === this.state.box];
      context.fillStyle = chosen ? colour("text") : inks[k];
      context.beginPath();
      context.arc(x(side[i]), top(k) + row * (0.2 + 0.55 * ((i * 0.618) % 1)), chosen ? 5 : 2, 0, 7);
      context.fill();
    }
  }
}
