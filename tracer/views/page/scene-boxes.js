// Boxes on the picture: proposals with their fate, the level of each RoI, detections.
import { colour, el, paint, visible } from "./dom.js";
import { boxAt } from "./geometry.js";
import { count, num } from "./text.js";

const sides = (boxes, i) => [boxes[4 * i + 2] - boxes[4 * i], boxes[4 * i + 3] - boxes[4 * i + 1]];
const sized = (boxes, i) => sides(boxes, i).map(num).join("×");
const above = (list, test) => Array.from(list.keys()).filter(test);

/** Stroke the shown boxes, then the chosen one over them. */
function strokeChosen(view, context, boxes, shown, look) {
  view.strokeBoxes(context, boxes, shown, (i) => ({ alpha: shown.length > 60 ? 0.75 : 1, ...look(i) }));
  const { box } = view.state;
  if (box >= 0 && 4 * box < boxes.length) {
    view.strokeBoxes(context, boxes, [box], () => ({ paint: "#000", width: 5 }));
    view.strokeBoxes(context, boxes, [box], () => ({ paint: "#fff", width: 2.5 }));
  }
}

/** A slider over the shown boxes, for those who cannot point. */
function boxSlider(view, most) {
  return view.slider("box", "box", { min: -1, max: most - 1, value: view.state.box, show: (i) => (i < 0 ? "–" : `#${i}`) });
}

// --- proposals ---

const stepAt = (view) => view.state.step ?? view.scene.proposals.steps.length - 1;

function candidatesShown(view) {
  const { proposals } = view.scene;
  const [fate, group] = [view.values(proposals.fate), view.values(proposals.group)];
  const { level, top } = view.state;
  const step = Math.max(stepAt(view), 1);
  return above(fate, (i) => (fate[i] === 0 || fate[i] - 1 > step) && (level < 0 || group[i] === level)).slice(0, top);
}

export const proposalsKind = {
  key: "proposals",
  has: (image) => Boolean(image.proposals),
  controls: (view) => [
    view.levelButtons(view.data.levels.map((_, i) => i)),
    view.slider("top", "top", { min: 1, max: 1000 }),
    boxSlider(view, view.values(view.scene.proposals.fate).length),
  ],

  /** The funnel: a row per step, its bar parted by level. */
  extra(view) {
    const { steps, counts } = view.scene.proposals;
    const most = Math.max(...steps.map(([, n]) => n), 1);
    const rows = steps.map(([name, n, limit], k) => el("button", {
      type: "button", class: "funnel-row", "aria-pressed": String(stepAt(view) === k),
      onclick: () => { view.state.step = k; view.build(); },
    }, el("span", { class: "funnel-name", text: view.page.say(`step_${name}`, { limit: limit == null ? "" : num(limit) }) }),
    el("span", { class: "funnel-bar", style: { width: `${99 * Math.sqrt(n / most) + 1}%` } },
      ...counts[k].map((part, level) => el("i", { style: { "flex-grow": part, background: `var(--level-${view.levelNumber(level)})` } }))),
    el("span", { class: "funnel-count", text: count(n) })));
    return [el("div", { class: "funnel", role: "group", "aria-label": view.page.say("funnel") }, ...rows)];
  },

  draw(view, context) {
    const { proposals } = view.scene;
    const boxes = view.values(proposals.boxes);
    const group = view.values(proposals.group);
    const by = view.values(proposals.by)[view.state.box] ?? -1;
    strokeChosen(view, context, boxes, candidatesShown(view), (i) => ({ paint: view.levelColour(group[i]), width: 1.5 }));
    if (view.state.box < 0) return;
    view.strokeBoxes(context, view.values(proposals.anchors), [view.state.box], () => ({ paint: "#fff", width: 1.5, dash: [2, 4] }));
    if (by >= 0) view.strokeBoxes(context, boxes, [by], () => ({ paint: colour("error"), width: 2.5, dash: [7, 4] }));
  },

  point(view, x, y) {
    view.state.box = boxAt(view.values(view.scene.proposals.boxes), candidatesShown(view), x, y);
  },

  facts(view) {
    const { page, state } = view;
    const { proposals } = view.scene;
    const shown = candidatesShown(view).length;
    if (state.box < 0) return page.say("boxes_shown", { n: count(shown) });
    const fate = view.values(proposals.fate)[state.box];
    const step = fate ? proposals.steps[fate - 1] : null;
    const by = view.values(proposals.by)[state.box];
    const end = fate === 0 ? page.say("fate_kept")
      : page.say(by >= 0 ? "fate_nms" : "fate_removed", { step: page.say(`step_${step[0]}`, { limit: step[2] == null ? "" : num(step[2]) }), by });
    return page.say("candidate", {
      i: state.box, level: view.levelName(view.values(proposals.group)[state.box]),
      score: num(view.values(proposals.scores)[state.box]), size: sized(view.values(proposals.boxes), state.box), end,
    });
  },
};

// --- which level each RoI is pooled from ---

function roisShown(view) {
  const level = view.values(view.scene.rois.level);
  const wanted = view.data.pooling.levels.indexOf(view.state.level);
  return above(level, (i) => wanted < 0 || level[i] === wanted).slice(0, view.state.top);
}

const pooledLevel = (view, i) => view.data.pooling.levels[view.values(view.scene.rois.level)[i]];
const side = (boxes, i) => Math.sqrt(Math.max(sides(boxes, i)[0] * sides(boxes, i)[1], 1e-6));

export const levelsKind = {
  key: "levels",
  has: (image, data) => Boolean(image.rois && data.pooling),
  controls: (view) => [
    view.levelButtons(view.data.pooling.levels),
    view.slider("top", "top", { min: 1, max: 1000 }),
    boxSlider(view, view.values(view.scene.rois.level).length),
  ],

  extra: (view) => [el("canvas", {
    class: "level-chart", role: "img", "aria-label": view.page.say("level_chart"), title: view.page.say("level_chart"),
    onpointermove: (event) => {
      const { left, width } = event.target.getBoundingClientRect();
      const wanted = 2 ** (3 + (7.5 * (event.clientX - left)) / width);
      const boxes = view.values(view.scene.rois.boxes);
      const near = (i) => Math.abs(Math.log2(side(boxes, i) / wanted));
      view.state.box = roisShown(view).reduce((a, b) => (a < 0 || near(b) < near(a) ? b : a), -1);
      view.draw();
    },
  })],

  draw(view, context) {
    strokeChosen(view, context, view.values(view.scene.rois.boxes), roisShown(view),
      (i) => ({ paint: view.levelColour(pooledLevel(view, i)), width: 1.6 }));
  },

  /** Every RoI as a dot: its side against its level, and where the formula changes level. */
  drawExtra(view) {
    const canvas = view.extra.querySelector("canvas");
    if (!canvas) return;
    const { canonical: [scale, level], limits: [low, high], levels } = view.data.pooling;
    const boxes = view.values(view.scene.rois.boxes);
    const x = (value, width) => (width * (Math.log2(value) - 3)) / 7.5;
    paint(canvas, (context, width, height) => {
      const row = (height - 20) / levels.length;
      context.font = "11px ui-monospace, monospace";
      levels.forEach((index, k) => {
        const y = height - 20 - (k + 1) * row;
        const from = k === 0 ? 0 : x(scale * 2 ** (low + k - level), width);
        const to = low + k === high ? width : x(scale * 2 ** (low + k + 1 - level), width);
        context.fillStyle = view.levelColour(index);
        context.globalAlpha = 0.18;
        context.fillRect(from, y, to - from, row - 2);
        context.globalAlpha = 1;
        context.fillText(view.levelName(index), 4, y + row / 2 + 4);
        context.fillStyle = colour("quiet");
        if (k) context.fillText(String(Math.round(scale * 2 ** (low + k - level))), from - 10, height - 6);
      });
      for (const i of roisShown(view)) {
        const k = view.values(view.scene.rois.level)[i];
        const y = height - 20 - (k + 1) * row + row * (0.2 + 0.55 * ((i * 0.618) % 1));
        context.fillStyle = i === view.state.box ? colour("text") : view.levelColour(levels[k]);
        context.beginPath();
        context.arc(x(side(boxes, i), width), y, i === view.state.box ? 5 : 2, 0, 7);
        context.fill();
      }
    });
  },

  point(view, x, y) {
    view.state.box = boxAt(view.values(view.scene.rois.boxes), roisShown(view), x, y);
  },

  facts(view) {
    const { page, state } = view;
    const boxes = view.values(view.scene.rois.boxes);
    if (state.box < 0 || 4 * state.box >= boxes.length) return page.say("boxes_shown", { n: count(roisShown(view).length) });
    const { canonical: [scale, level] } = view.data.pooling;
    const exact = level + Math.log2(side(boxes, state.box) / scale);
    return page.say("level_of", {
      i: state.box, size: sized(boxes, state.box), side: num(side(boxes, state.box)), scale, level, exact: exact.toFixed(2),
      name: view.levelName(pooledLevel(view, state.box)),
    });
  },
};

// --- detections ---

function detectionsShown(view) {
  const scores = view.values(view.scene.detections.scores);
  return above(scores, (i) => scores[i] >= view.state.score).slice(0, view.state.top);
}

const NAMED = 12; // boxes that get their label written beside them

export const detectionsKind = {
  key: "detections",
  has: (image) => Boolean(image.detections ?? image.targets),
  controls: (view) => (view.scene.detections ? [
    view.slider("score_from", "score", { max: 1, step: 0.01, show: (v) => v.toFixed(2) }),
    view.slider("top", "top", { min: 1, max: 1000 }),
    boxSlider(view, view.scene.detections.labels.length),
  ] : []),

  draw(view, context) {
    const { detections, targets, rois } = view.scene;
    if (targets) {
      const boxes = view.values(targets.boxes);
      view.strokeBoxes(context, boxes, above(targets.labels, () => true), () => ({ paint: "#fff", width: 2, dash: [6, 4] }));
    }
    if (!detections) return;
    const boxes = view.values(detections.boxes);
    const shown = detectionsShown(view);
    const ink = (i) => colour(`level-${2 + (detections.labels[i] % 6)}`);
    strokeChosen(view, context, boxes, shown, (i) => ({ paint: ink(i), width: 2.2 }));
    for (const i of shown.slice(0, NAMED).reverse()) writeLabel(view, context, boxes, i, ink(i), labelOf(view, i));
    const from = detections.proposal?.[view.state.box];
    if (from != null && rois) view.strokeBoxes(context, view.values(rois.boxes), [from], () => ({ paint: "#fff", width: 1.8, dash: [2, 4] }));
  },

  point(view, x, y) {
    if (view.scene.detections) view.state.box = boxAt(view.values(view.scene.detections.boxes), detectionsShown(view), x, y);
  },

  facts(view) {
    const { page, state, scene } = view;
    if (!scene.detections) return page.say("targets_shown", { n: scene.targets.labels.length });
    if (state.box < 0 || state.box >= scene.detections.labels.length) {
      const steps = (scene.detections.steps ?? []).map(([name, n, limit]) => {
        const text = page.say(name === "all" ? "step_pairs" : `step_${name}`, { limit: limit == null ? "" : num(limit) });
        return `${text}: ${count(n)}`;
      });
      return [page.say("boxes_shown", { n: detectionsShown(view).length }), steps.join(" → ")].join(" ");
    }
    const proposal = scene.detections.proposal?.[state.box];
    const text = page.say("detection", {
      i: state.box, label: labelOf(view, state.box), size: sized(view.values(scene.detections.boxes), state.box),
    });
    return proposal == null ? text : text + page.say("from_proposal", { n: proposal });
  },
};

function labelOf(view, i) {
  const { labels, scores } = view.scene.detections;
  const name = view.data.names?.[labels[i]] ?? view.page.say("class_n", { n: labels[i] });
  return `${visible(name)} ${view.values(scores)[i].toFixed(2)}`;
}

/** Whether dark text reads better on a colour, #rrggbb. */
function light(ink) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(ink.slice(at, at + 2), 16));
  return 0.3 * r + 0.59 * g + 0.11 * b > 130;
}

function writeLabel(view, context, boxes, i, ink, text) {
  const size = 11 / view.scale;
  context.font = `600 ${size}px system-ui, sans-serif`;
  const width = context.measureText(text).width + size * 0.6;
  const [x, y] = [boxes[4 * i], Math.max(boxes[4 * i + 1], size * 1.4)];
  context.fillStyle = ink;
  context.fillRect(x, y - size * 1.4, width, size * 1.4);
  context.fillStyle = light(ink) ? "#14171f" : "#fff";
  context.fillText(text, x + size * 0.3, y - size * 0.35);
}
