// Below: where the step lies in the whole run, to scrub; the buttons to move; play; the command line.
import { colour, paint } from "./canvas.js";
import { el, select, View, visible } from "./dom.js";
import { callName, clip, count } from "./text.js";

const PACES = [1, 2, 4, 8, 16, 32];
const MOST_DEPTH = 9; // of calls within calls
const BUTTONS = [
  [["⇤", "first"], ["⟪", "stage_back"], ["↰", "back_out"], ["↶", "back_into"], ["←", "back"]],
  [["→", "forward"], ["↷", "into"], ["↱", "out"], ["⟫", "stage_on"], ["⇥", "last"]],
];

export class TimelineView extends View {
  constructor(page) {
    super(page);
    const { say } = this;
    const label = say("timeline");
    this.last = this.timeline.positions.length - 1;
    this.canvas = el("canvas.flame", { "aria-hidden": "true" });
    this.head = el("div.head");
    this.slider = el("input", { type: "range", min: 0, max: this.last, label, oninput: () => this.scrub() });
    this.command = el("input.command", {
      type: "text", placeholder: say("command_hint"), label: say("command_label"), spellcheck: "false",
      autocomplete: "off", onkeydown: (event) => this.typed(event.key),
    });
    this.step = el("b");
    this.where = el("span");
    this.play = el("button.play", { hint: say("play"), onclick: () => page.togglePlay() }, "▶");
    const groups = BUTTONS.map((group) => el("span.group", group.map(
      ([text, move]) => el("button", { hint: say(move), onclick: () => page.move(move) }, text))));
    this.element = el("footer.timeline", { label }, el("div.strip", this.canvas, this.head, this.slider),
      el("div.controls", { role: "toolbar", label }, groups, this.play,
        select(say("pace"), PACES.map((n) => [n, `${n}/s`]), page.pace, (n) => page.setPace(Number(n))),
        el("output.where.quiet", this.step, " ", this.where), this.command));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  update() {
    const { position } = this.cursor;
    const index = this.timeline.index(position.tick);
    const text = visible(this.page.describe(position));
    this.slider.value = index;
    this.slider.setAttribute("aria-valuetext", text);
    this.head.style.setProperty("left", `${this.x(index) * 100}%`);
    this.step.textContent = this.say("step_of", { n: count(index + 1), all: count(this.last + 1) });
    this.where.textContent = clip(text, 90);
  }

  /** Follow the slider, once per picture of the screen however fast it is pulled. */
  scrub() {
    this.pulled ??= requestAnimationFrame(() => {
      this.pulled = null;
      this.page.go(this.timeline.positions[Number(this.slider.value)].tick);
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
    for (const name of ["title", "aria-label"]) this.play.setAttribute(name, this.say(on ? "pause" : "play"));
  }

  /** Every call as a bar from its start to its end, one row per depth, in its stage's colour. */
  draw() {
    const { calls, stages } = this.rec;
    const depth = [];
    for (const call of calls) depth.push(call.parent == null ? 0 : depth[call.parent] + 1);
    const rows = Math.min(Math.max(...depth) + 1, MOST_DEPTH);
    const base = colour("bar");
    const colours = new Map(stages.map(({ name }) => [name, colour(this.page.stageInk(name))]));
    paint(this.canvas, (context, width, height) => {
      const tall = height / rows;
      for (const call of calls) {
        const [from, to] = [call.start, call.end].map((tick) => this.x(this.timeline.index(tick)) * width);
        context.fillStyle = colours.get(call.stage) ?? base;
        context.globalAlpha = 1 - 0.075 * depth[call.id];
        if (depth[call.id] < rows) context.fillRect(from, depth[call.id] * tall, Math.max(to - from - 0.5, 0.6), tall - 0.8);
      }
    });
  }
}

/** A position in words: the call, and whether it begins, ends or is at a line. */
export function describe(say, { call, kind, line }) {
  return `${callName(call, true)} · ${say(`at_${kind}`, { n: line?.line })}`;
}
