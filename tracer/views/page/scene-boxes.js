// Boxes on the picture: proposals, matches, RoIs, detections. boxes.py says what a drawing holds.
import { colour, paint } from "./canvas.js";
import { button, el } from "./dom.js";
import { boxAt } from "./geometry.js";
import { count, num } from "./text.js";

const NAMED = 12; // boxes that get their group and score written beside them
const TARGET = { ink: "#f0e442", width: 2, dash: [6, 4] };
const LINKED = {
  origin: () => ({ ink: "#fff", width: 1.6, dash: [2, 4] }),
  rival: () => ({ ink: colour("error"), width: 2.5, dash: [7, 4] }),
  target: () => ({ ...TARGET, width: 3.5 }),
};

const all = (view) => view.values(view.drawing.boxes).length / 4;
const stepAt = (view) => view.state.step ?? (view.drawing.steps ?? [0]).length - 1;

/** The boxes of the chosen group, of enough score, that were left after the chosen step: the best of them. */
function shown(view) {
  const [group, fate, scores] = ["group", "fate", "scores"].map((name) => view.values(view.drawing[name]));
  const { state } = view;
  const found = [];
  for (let i = 0; i < all(view) && found.length < state.top; i++) {
    const left = !fate[i] || fate[i] - 1 > stepAt(view);
    if (left && (state.group < 0 || group[i] === state.group) && !(scores[i] < state.score)) found.push(i);
  }
  return found;
}

export const boxes = {
  /** Weak detections are hidden at first, if there are others. */
  begin(view) {
    view.state.score = Math.max(0, ...view.values(view.drawing.scores)) >= 0.5 ? 0.5 : 0;
  },

  controls: (view) => [
    view.groupButtons(),
    view.drawing.scores ? view.slider("score_from", "score", { max: 1, step: 0.01, show: (v) => v.toFixed(2) }) : null,
    view.slider("top", "top", { min: 1, max: 1000 }),
    // For those who cannot point.
    view.slider("box", "box", { min: -1, max: all(view) - 1, show: (i) => (i < 0 ? "–" : `#${i}`) }),
  ],

  extra: (view) => [view.drawing.limits ? levelChart(view) : null, view.drawing.steps ? funnel(view) : null].filter(Boolean),

  drawExtra(view) {
    if (view.drawing.limits) paint(view.extra.querySelector("canvas"), (...args) => drawLevels(view, ...args));
  },

  draw(view, context) {
    const { drawing, scene, state } = view;
    const list = view.values(drawing.boxes);
    const group = view.values(drawing.group);
    const found = shown(view);
    const inks = drawing.groups.map((_, i) => view.groupColour(i));
    const alpha = found.length > 60 ? 0.75 : 1;
    view.stroke(context, list, found, (i) => ({ ink: inks[group[i]], width: drawing.scores ? 2.2 : 1.5, alpha }));
    const targets = view.values(scene.targets);
    view.stroke(context, targets, Array.from({ length: targets.length / 4 }, (_, i) => i), () => TARGET);
    if (drawing.scores) for (const i of found.slice(0, NAMED).reverse()) label(view, context, list, i, inks[group[i]]);
    if (state.box < 0 || state.box >= all(view)) return;
    view.strokeClearly(context, list, state.box, "#fff");
    for (const [look, where, which] of drawing.linked ?? []) {
      const i = which ? view.values(which)[state.box] : state.box;
      if (i >= 0) view.stroke(context, view.values(where), [i], LINKED[look]);
    }
  },

  point(view, x, y) {
    view.state.box = boxAt(view.values(view.drawing.boxes), shown(view), x, y);
  },

  facts(view) {
    const { page, drawing, state } = view;
    if (state.box < 0 || state.box >= all(view)) return summary(view);
    const at = (it) => (typeof it === "string" ? view.values(it)[state.box] : it);
    const columns = Object.entries(drawing.columns).map(([name, it]) => [name, num(at(it))]);
    const list = view.values(drawing.boxes);
    const [x1, y1, x2, y2] = list.subarray(4 * state.box, 4 * state.box + 4);
    return page.say(drawing.facts, {
      i: state.box, size: [x2 - x1, y2 - y1].map(num).join("×"), group: view.groupName(at(drawing.group)),
      score: num(at(drawing.scores)), end: drawing.fate ? end(view, at(drawing.fate), at(drawing.columns.by)) : "",
      ...Object.fromEntries(columns),
    });
  },
};

function summary(view) {
  const { page, drawing } = view;
  const thinned = drawing.all > all(view) ? page.say("boxes_thinned", { n: count(all(view)), all: count(drawing.all) }) : "";
  const steps = (drawing.summary ?? []).map((step) => `${stepName(view, step)}: ${count(step[1])}`).join(" → ");
  return [page.say("boxes_shown", { n: count(shown(view).length) }), thinned, steps].filter(Boolean).join(" ");
}

function stepName({ page, drawing }, [name, , limit]) {
  return page.say(name === "all" && drawing.summary ? "step_pairs" : `step_${name}`, { limit: limit == null ? "" : num(limit) });
}

/** What became of a candidate. */
function end(view, fate, by) {
  if (!fate) return view.page.say("fate_kept");
  return view.page.say(by >= 0 ? "fate_nms" : "fate_removed", { step: stepName(view, view.drawing.steps[fate - 1]), by });
}

/** A row per step, its bar parted by group; choosing one shows what was left after it. */
function funnel(view) {
  const { drawing: { steps, groups }, page } = view;
  const most = Math.max(...steps.map(([, n]) => n), 1);
  const rows = steps.map((step, k) => {
    const [, n, , parts] = step;
    const bar = parts.map((part, i) => el("i", { style: { "flex-grow": part, background: `var(--${groups[i][2]})` } }));
    const row = button("", `${stepName(view, step)}: ${count(n)}`, () => { view.state.step = k; view.rebuild(); },
      { class: "funnel-row", "aria-pressed": String(stepAt(view) === k) });
    row.append(el("span", { text: stepName(view, step) }),
      el("span", { class: "funnel-bar", style: { width: `${99 * Math.sqrt(n / most) + 1}%` } }, ...bar),
      el("span", { class: "funnel-count", text: count(n) }));
    return row;
  });
  return el("div", { role: "group", "aria-label": page.say("funnel") }, ...rows);
}

/** Group and score, written at a box's upper edge. */
function label(view, context, list, i, ink) {
  const text = `${view.groupName(view.values(view.drawing.group)[i])} ${view.values(view.drawing.scores)[i].toFixed(2)}`;
  const size = 11 / view.scale;
  context.font = `600 ${size}px system-ui, sans-serif`;
  const [x, y] = [list[4 * i], Math.max(list[4 * i + 1], size * 1.4)];
  context.fillStyle = ink;
  context.fillRect(x, y - size * 1.4, context.measureText(text).width + size * 0.6, size * 1.4);
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(ink.slice(at, at + 2), 16));
  context.fillStyle = 0.3 * r + 0.59 * g + 0.11 * b > 130 ? "#14171f" : "#fff";
  context.fillText(text, x + size * 0.3, y - size * 0.35);
}

// --- which level each RoI is pooled from ---

const LEAST = 3; // log₂ of the side at the left edge
const SPAN = 7.5;

const sides = (view) => view.values(view.drawing.columns.side);

function levelChart(view) {
  const title = view.page.say("level_chart");
  return el("canvas", { class: "level-chart", role: "img", "aria-label": title, title, onpointermove: (event) => {
    const { left, width } = event.target.getBoundingClientRect();
    const wanted = LEAST + (SPAN * (event.clientX - left)) / width;
    const far = (i) => Math.abs(Math.log2(sides(view)[i]) - wanted);
    view.state.box = shown(view).reduce((a, b) => (a < 0 || far(b) < far(a) ? b : a), -1);
    view.draw();
  } });
}

/** Every RoI as a dot: its side against its level, and where the formula changes level. */
function drawLevels(view, context, width, height) {
  const { groups, limits: [low, high], columns: { scale, level } } = view.drawing;
  const x = (side) => (width * (Math.log2(side) - LEAST)) / SPAN;
  const edge = (k) => scale * 2 ** (low + k - level); // the side from which on level k is taken
  const row = (height - 20) / groups.length;
  const top = (k) => height - 20 - (k + 1) * row;
  context.font = "11px ui-monospace, monospace";
  groups.forEach((_, k) => {
    const from = k === 0 ? 0 : x(edge(k));
    const to = low + k === high ? width : x(edge(k + 1));
    context.fillStyle = view.groupColour(k);
    context.globalAlpha = 0.18;
    context.fillRect(from, top(k), to - from, row - 2);
    context.globalAlpha = 1;
    context.fillText(view.groupName(k), 4, top(k) + row / 2 + 4);
    context.fillStyle = colour("quiet");
    if (k) context.fillText(String(Math.round(edge(k))), from - 10, height - 6);
  });
  const inks = groups.map((_, k) => view.groupColour(k));
  for (const i of shown(view)) {
    const k = view.values(view.drawing.group)[i];
    const chosen = i === view.state.box;
    context.fillStyle = chosen ? colour("text") : inks[k];
    context.beginPath();
    context.arc(x(sides(view)[i]), top(k) + row * (0.2 + 0.55 * ((i * 0.618) % 1)), chosen ? 5 : 2, 0, 7);
    context.fill();
  }
}
