// Below: where the step lies in the whole run, to scrub; the buttons to move; play; the command line.
import { colour, paint } from "./canvas.js";
import { button, el, select } from "./dom.js";
import { callName, clip, count } from "./text.js";

const PACES = [1, 2, 4, 8, 16, 32];
const MOST_DEPTH = 9; // of calls within calls
const BUTTONS = [
  [["⇤", "first"], ["⟪", "stage_back"], ["↰", "back_out"], ["↶", "back_into"], ["←", "back"]],
  [["→", "forward"], ["↷", "into"], ["↱", "out"], ["⟫", "stage_on"], ["⇥", "last"]],
];

export class TimelineView {
  constructor(page) {
    this.page = page;
    const { say } = page;
    this.last = page.timeline.positions.length - 1;
    this.canvas = el("canvas", { class: "flame", "aria-hidden": "true" });
    this.head = el("div", { class: "head" });
    this.slider = el("input", {
      type: "range", min: 0, max: this.last, step: 1, "aria-label": say("timeline"), oninput: () => this.scrub(),
    });
    this.command = el("input", {
      type: "text", class: "command", placeholder: say("command_hint"), "aria-label": say("command_label"),
      spellcheck: "false", autocomplete: "off", onkeydown: (event) => this.typed(event.key),
    });
    this.step = el("b");
    this.where = el("span");
    this.play = button("▶", say("play"), () => page.togglePlay(), { class: "play" });
    const pace = select(say("pace"), PACES.map((n) => [n, `${n}/s`]), (n) => page.setPace(Number(n)));
    pace.value = page.pace;
    const groups = BUTTONS.map((group) => el("span", { class: "group" },
      ...group.map(([text, move]) => button(text, say(move), () => page.move(move)))));
    this.element = el("footer", { class: "timeline", "aria-label": say("timeline") },
      el("div", { class: "strip" }, this.canvas, this.head, this.slider),
      el("div", { class: "controls", role: "toolbar", "aria-label": say("timeline") }, ...groups,
        this.play, pace, el("output", { class: "where quiet" }, this.step, " ", this.where), this.command));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  update() {
    const { position } = this.page.cursor;
    const index = this.page.timeline.index(position.tick);
    const text = this.page.describe(position);
    this.slider.value = index;
    this.slider.setAttribute("aria-valuetext", text);
    this.head.style.setProperty("left", `${this.x(index) * 100}%`);
    this.step.textContent = this.page.say("step_of", { n: count(index + 1), all: count(this.last + 1) });
    this.where.textContent = clip(text, 90);
  }

  /** Follow the slider, once per picture of the screen however fast it is pulled. */
  scrub() {
    this.pulled ??= requestAnimationFrame(() => {
      this.pulled = null;
      this.page.go(this.page.timeline.positions[Number(this.slider.value)].tick);
    });
  }

  typed(key) {
    if (key === "Escape") this.command.blur();
    if (key !== "Enter") return;
    this.page.obey(this.command.value);
    this.command.value = "";
  }

  x(index) {
    return this.last ? index / this.last : 0;
  }

  playing(on) {
    this.play.textContent = on ? "❚❚" : "▶";
    for (const name of ["title", "aria-label"]) this.play.setAttribute(name, this.page.say(on ? "pause" : "play"));
  }

  /** Every call as a bar from its start to its end, one row per depth, in its stage's colour. */
  draw() {
    const { page } = this;
    const { calls, stages } = page.rec;
    const depth = [];
    for (const call of calls) depth.push(call.parent == null ? 0 : depth[call.parent] + 1);
    const rows = Math.min(Math.max(...depth) + 1, MOST_DEPTH);
    const base = colour("bar");
    const colours = new Map(stages.map(({ name }) => [name, colour(page.stageInk(name))]));
    paint(this.canvas, (context, width, height) => {
      const tall = height / rows;
      for (const call of calls) {
        const [from, to] = [call.start, call.end].map((tick) => this.x(page.timeline.index(tick)) * width);
        context.fillStyle = colours.get(call.stage) ?? base;
        context.globalAlpha = 1 - 0.075 * depth[call.id];
        if (depth[call.id] < rows) context.fillRect(from, depth[call.id] * tall, Math.max(to - from - 0.5, 0.6), tall - 0.8);
      }
    });
  }
}

/** A position in words: the call, and whether it begins, ends or is at a line. */
export function describe(page, { call, kind, line }) {
  const what = page.say(`at_${kind}`, { n: line?.line });
  return `${callName(call, true)} · ${what}`;
}
