// Below: where the step lies in the whole run, to scrub; the buttons to move; play.
import { button, colour, el, paint, visible } from "./dom.js";
import { callName, clip, count } from "./text.js";

const PACES = [1, 2, 4, 8, 16, 32];

export class TimelineView {
  constructor(page) {
    this.page = page;
    const { say } = page;
    this.last = page.timeline.positions.length - 1;
    this.canvas = el("canvas", { class: "flame", "aria-hidden": "true" });
    this.head = el("div", { class: "head" });
    this.slider = el("input", {
      type: "range", min: 0, max: this.last, step: 1, "aria-label": say("timeline"),
      oninput: () => this.scrub(),
    });
    this.command = el("input", {
      type: "text", class: "command", placeholder: say("command_hint"), "aria-label": say("command_label"),
      spellcheck: "false", autocomplete: "off",
      onkeydown: (event) => {
        if (event.key === "Escape") this.command.blur();
        if (event.key !== "Enter") return;
        page.obey(this.command.value);
        this.command.value = "";
      },
    });
    this.where = el("output", { class: "where" });
    this.playButton = button("▶", say("play"), () => page.togglePlay(), { class: "play" });
    this.pace = el("select", { "aria-label": say("pace"), title: say("pace"), onchange: () => page.setPace(Number(this.pace.value)) },
      ...PACES.map((n) => el("option", { value: n, text: `${n}/s`, selected: n === page.pace })));
    this.element = el("footer", { class: "timeline", "aria-label": say("timeline") },
      el("div", { class: "strip" }, this.canvas, this.head, this.slider),
      el("div", { class: "controls", role: "toolbar", "aria-label": say("timeline") }, ...this.buttons(),
        this.playButton, this.pace, this.where, this.command));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  buttons() {
    const { page } = this;
    const make = (text, key, move) => button(text, page.say(key), () => page.move(move));
    return [
      el("span", { class: "group" }, make("⇤", "first", "first"), make("⟪", "stage_back", "stage_back"),
        make("↰", "back_out", "back_out"), make("↶", "back_into", "back_into"), make("←", "back", "back")),
      el("span", { class: "group" }, make("→", "forward", "forward"), make("↷", "into", "into"),
        make("↱", "out", "out"), make("⟫", "stage_on", "stage_on"), make("⇥", "last", "last")),
    ];
  }

  update() {
    const { page } = this;
    const { position } = page.cursor;
    const index = page.timeline.index(position.tick);
    this.slider.value = index;
    const text = page.describe(position);
    this.slider.setAttribute("aria-valuetext", text);
    this.head.style.setProperty("left", `${this.x(index) * 100}%`);
    this.where.replaceChildren(el("b", { text: page.say("step_of", { n: count(index + 1), all: count(this.last + 1) }) }),
      ` ${clip(text, 90)}`);
  }

  /** Follow the slider, once per picture of the screen however fast it is pulled. */
  scrub() {
    const { positions } = this.page.timeline;
    if (this.pulled) return;
    this.pulled = requestAnimationFrame(() => {
      this.pulled = null;
      this.page.go(positions[Number(this.slider.value)].tick);
    });
  }

  x(index) {
    return this.last ? index / this.last : 0;
  }

  playing(on) {
    this.playButton.textContent = on ? "❚❚" : "▶";
    const title = this.page.say(on ? "pause" : "play");
    this.playButton.title = title;
    this.playButton.setAttribute("aria-label", title);
  }

  /** Every call as a bar from its start to its end, one row per depth, in its stage's colour. */
  draw() {
    const { page } = this;
    const depth = [];
    for (const call of page.rec.calls) depth.push(call.parent == null ? 0 : depth[call.parent] + 1);
    const rows = Math.min(Math.max(...depth) + 1, 9);
    const base = colour("bar");
    const colours = new Map(page.rec.stages.map((s) => [s.name, page.stageColour(s.name)]));
    paint(this.canvas, (context, width, height) => {
      const tall = height / rows;
      for (const call of page.rec.calls) {
        if (depth[call.id] >= rows) continue;
        const from = this.x(page.timeline.index(call.start)) * width;
        const to = this.x(page.timeline.index(call.end)) * width;
        context.fillStyle = colours.get(call.stage) ?? base;
        context.globalAlpha = 1 - 0.075 * depth[call.id];
        context.fillRect(from, depth[call.id] * tall, Math.max(to - from - 0.5, 0.6), tall - 0.8);
      }
    });
  }
}

/** A position in words: the call, and whether it begins, ends or is at a line. */
export function describe(page, position) {
  const { call, kind } = position;
  const name = visible(callName(call)) + (call.nth ? `#${call.nth}` : "");
  if (kind === "line") return `${name} · ${page.say("at_line", { n: position.line.line })}`;
  return `${name} · ${page.say(kind === "start" ? "at_start" : "at_end")}`;
}
