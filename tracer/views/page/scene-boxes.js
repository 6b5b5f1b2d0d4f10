// Boxes on the picture: proposals, matches, RoIs, detections. boxes.py says what a drawing holds.
import { colour, el, paint } from "./dom.js";
import { at, groupButtons, noted, rebuild, slider, stroke, strokeClearly } from "./drawing.js";
import { boxAt, boxOf, range } from "./geometry.js";
import { count, num } from "./numbers.js";
import { drawNow, local, say } from "./page.js";
import { name } from "./paint.js";

const NAMED = 12; // boxes that get their group and score written beside them
export const targetLook = () => ({ ink: colour("target"), width: 2, dash: [6, 4] });
const LINKED = {
  origin: () => ({ ink: "#fff", width: 1.6, dash: [2, 4] }),
  rival: () => ({ ink: colour("error"), width: 2.5, dash: [7, 4] }),
  target: () => ({ ...targetLook(), width: 3.5 }),
};

// The best boxes of the chosen group, of enough score, that were left after the chosen step.
function chosen({ fate, scores, group }) {
  const fits = (i) => (!fate?.[i] || fate[i] - 1 > at.step) && (at.group < 0 || group[i] === at.group) && !(scores?.[i] < at.score);
  const found = [];
  for (let i = 0; i < group.length && found.length < at.top; i++) if (fits(i)) found.push(i);
  return found;
}

export const boxes = {
  begin({ steps = [], score = 0 }) {
    Object.assign(at, { step: steps.length - 1, score });
  },

  controls: ({ groups, group, scores }) => [
    groupButtons(groups), scores && slider("score", { max: 1, step: 0.01, show: (v) => v.toFixed(2) }),
    slider("top", { min: 1, max: 1000 }),
    // For those who cannot point.
    slider("box", { min: -1, max: group.length - 1, show: (i) => (i < 0 ? "–" : `#${i}`) }),
  ],

  extra: ({ steps, groups }) => steps && funnel(steps, groups),

  draw(data, context) {
    const { boxes: list, group, groups, scores, linked = [] } = data;
    const found = chosen(data);
    const inks = groups.map(([, ink]) => ink);
    const alpha = found.length > 60 ? 0.75 : 1;
    stroke(context, list, found, (i) => ({ ink: inks[group[i]], width: scores ? 2.2 : 1.5, alpha }));
    const { targets = [] } = at.scene;
    stroke(context, targets, range(targets.length / 4), targetLook);
    if (scores) labels(context, data, found.slice(0, NAMED));
    if (at.box < 0) return;
    strokeClearly(context, list, at.box, "#fff");
    for (const [look, others, which] of linked) {
      const i = which ? which[at.box] : at.box;
      if (i >= 0) stroke(context, others, [i], LINKED[look]);
    }
  },

  point(data, x, y) {
    at.box = boxAt(data.boxes, chosen(data), x, y);
  },

  told(data) {
    const { boxes: list, group, groups, scores, fate, columns, facts, note } = data;
    const i = at.box;
    if (i < 0) return noted(say("boxes_shown", { n: count(chosen(data).length) }), note);
    const [x1, y1, x2, y2] = boxOf(list, i);
    const filled = Object.entries(columns).map(([name, it]) => [name, num(ArrayBuffer.isView(it) ? it[i] : it)]);
    return say(facts, {
      i, size: [y2 - y1, x2 - x1].map(num).join("×"), group: local(groups[group[i]][0]), score: num(scores?.[i]),
      end: fate && became(data, i), ...Object.fromEntries(filled),
    });
  },
};

// The best ones have their place first.
function labels(context, { boxes: list, group, groups, scores }, found) {
  const look = (n) => {
    const [names, ...colours] = groups[group[found[n]]];
    return [`${local(names)} ${scores[found[n]].toFixed(2)}`, ...colours];
  };
  const [height, width] = at.scene.resized;
  name(context, found.map((i) => boxOf(list, i)), look, 11 / at.scale, "system-ui, sans-serif", [width, height]);
}

function became({ fate, steps, columns: { by } }, i) {
  if (!fate[i]) return say("fate_kept");
  return say(by?.[i] >= 0 ? "fate_nms" : "fate_removed", { step: local(steps[fate[i] - 1].name), by: by?.[i] });
}

// Choosing a step shows what was left after it.
function funnel(steps, groups) {
  const most = Math.max(...steps.map(({ left }) => left), 1);
  const bar = ({ left, parts }) => el("span.funnel-bar", { style: { width: `${99 * Math.sqrt(left / most) + 1}%` } },
    parts.map((part, i) => el("i", { style: { "flex-grow": part, background: groups[i][1] } })));
  const lost = (step, of) => (step ? of(steps[step - 1]) - of(steps[step]) : 0);
  return el("div", { role: "group", label: say("funnel") }, el("p.quiet", say("funnel_how")), steps.map((it, step) => {
    const [name, left] = [local(it.name), count(it.left)];
    const gone = lost(step, ({ left: n }) => n);
    const parts = it.parts.map((_, i) => [local(groups[i][0]), lost(step, ({ parts: all }) => all[i])]).filter(([, n]) => n > 0);
    const hint = [`${name}: ${left}`, gone > 0 && say("funnel_gone", { n: count(gone) }), ...parts.map(([group, n]) => `${group} −${count(n)}`)];
    return el("button.funnel-row", { hint: hint.filter(Boolean).join(" · "), "aria-pressed": at.step === step,
      onclick: () => rebuild({ step }) }, el("span", name), bar(it), el("span.funnel-count", left), el("span.funnel-count.quiet", gone > 0 && `−${count(gone)}`));
  }));
}

export const levels = {
  ...boxes,

  extra: (data) => [el("p.quiet", say("level_chart")), el("canvas.level-chart", { role: "img", hint: say("level_chart"), onpointermove: ({ target, clientX }) => {
    const { left, width } = target.getBoundingClientRect();
    const far = (i) => Math.abs(data.places[i] - (clientX - left) / width);
    at.box = chosen(data).reduce((a, b) => (a < 0 || far(b) < far(a) ? b : a), -1);
    drawNow();
  } })],

  drawExtra(data) {
    paint(at.extra.lastChild, (...args) => drawLevels(data, ...args));
  },
};

// Every RoI as a dot: its side against its level, and where the formula changes level.
function drawLevels(data, context, width, height) {
  const { group, groups, places, spans } = data;
  const row = (height - 20) / groups.length;
  const top = (k) => height - 20 - (k + 1) * row;
  const inks = groups.map(([, ink]) => ink);
  context.font = "11px ui-monospace, monospace";
  spans.forEach(([from, to, side], k) => {
    Object.assign(context, { fillStyle: inks[k], globalAlpha: 0.18 });
    context.fillRect(from * width, top(k), (to - from) * width, row - 2);
    context.globalAlpha = 1;
    context.fillText(local(groups[k][0]), 4, top(k) + row / 2 + 4);
    context.fillStyle = colour("muted");
    context.fillText(side, from * width - 10, height - 6);
  });
  context.fillText("√(w·h), px →", 4, height - 6);
  for (const i of chosen(data)) {
    context.fillStyle = i === at.box ? colour("ink") : inks[group[i]];
    context.beginPath();
    context.arc(places[i] * width, top(group[i]) + row * (0.2 + 0.55 * ((i * 0.618) % 1)), i === at.box ? 5 : 2, 0, 7);
    context.fill();
  }
}
