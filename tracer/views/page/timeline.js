// Below: the whole run, to scrub; the buttons to move; play; the command line.
import { clip, colour, count, el, paint, put, select, visible } from "./dom.js";
import { cursor, go, obey, rec, say, stageInk } from "./page.js";

const PACES = [1, 2, 4, 8, 16, 32];
const BUTTONS = [ // by their signs the commands
  { "⇤": "first", "⟪": "[", "↰": "rr", "↶": "rs", "←": "rn" }, { "→": "n", "↷": "s", "↱": "r", "⟫": "]", "⇥": "last" },
];
const last = cursor.positions.length - 1;
let canvas, head, slider, step, where, play, commandLine;
let pace = 4;
let playing = null;
let pulled = null;

export function build() {
  const label = say("timeline");
  canvas = el("canvas.flame", { "aria-hidden": true });
  head = el("div.head");
  slider = el("input", { type: "range", min: 0, max: last, label, oninput: scrub });
  commandLine = el("input.command", { type: "text", placeholder: say("command_hint"), label: say("command_label"),
    spellcheck: "false", autocomplete: "off", onkeydown: typed });
  [step, where] = [el("b"), el("span")];
  play = el("button.play", { onclick: () => togglePlay() });
  togglePlay(false);
  const groups = BUTTONS.map((group) => el("span.group", Object.entries(group).map(
    ([sign, word]) => el("button", { hint: say(`move_${word}`), onclick: () => obey(word) }, sign))));
  new ResizeObserver(drawFlame).observe(canvas);
  return el("footer.timeline", { label }, el("div.strip", canvas, head, slider),
    el("div.controls", { role: "toolbar", label }, groups, play,
      select(say("pace"), PACES.map((n) => [n, `${n}/s`]), pace, setPace),
      el("output.where.quiet", step, " ", where), commandLine));
}

export function update() {
  const { call, kind, line, index } = cursor.position;
  const text = visible(`${call.name}${call.nth ? `#${call.nth}` : ""} · ${say(`at_${kind}`, { n: line?.line })}`);
  slider.value = index;
  put(slider, { "aria-valuetext": text });
  put(head, { style: { left: `${across(index) * 100}%` } });
  step.textContent = say("step_of", { n: count(cursor.tick), all: count(cursor.last) });
  where.textContent = clip(text, 90);
}

const across = (index) => (last ? index / last : 0);

// Once per picture of the screen, however fast it is pulled.
function scrub() {
  pulled ??= requestAnimationFrame(() => {
    pulled = null;
    go(cursor.positions[Number(slider.value)].tick);
  });
}

function typed({ key }) {
  if (key === "Escape") commandLine.blur();
  if (key !== "Enter") return;
  obey(commandLine.value);
  commandLine.value = "";
}

export const focusCommand = () => { commandLine.focus(); };

export function togglePlay(on = !playing) {
  clearInterval(playing);
  playing = on ? setInterval(moveOn, 1000 / pace) : null;
  play.textContent = on ? "❚❚" : "▶";
  put(play, { hint: say(on ? "pause" : "play") });
}

export const isPlaying = () => playing !== null;

function moveOn() {
  if (obey("s").ticks || cursor.tick === cursor.last) togglePlay(false);
}

function setPace(chosen) {
  pace = Number(chosen);
  togglePlay(isPlaying());
}

// Every call as a bar, one row per depth, in its stage's colour.
export function drawFlame() {
  const { bars } = rec.data.labels;
  const rows = Math.max(...bars.map(([, , depth]) => depth)) + 1;
  const inks = new Map(rec.stages.map(({ name }) => [name, colour(stageInk(name))]));
  const base = colour("bar");
  paint(canvas, (context, width, height) => {
    const tall = height / rows;
    for (const [from, to, depth, stage] of bars) {
      Object.assign(context, { fillStyle: inks.get(stage) || base, globalAlpha: 1 - 0.075 * depth });
      context.fillRect(across(from) * width, depth * tall, Math.max(across(to - from) * width - 0.5, 0.6), tall - 0.8);
    }
  });
}
