// Below: the whole run, to scrub; the buttons to move; play; the command line.
import { clip, colour, el, paint, put, select, visible } from "./dom.js";
import { count } from "./numbers.js";
import { cursor, go, obey, rec, say, stageInk } from "./page.js";
import { stackOf } from "./stepper.js";

const PACES = [1, 2, 4, 8, 16, 32];
const BUTTONS = [["first", "[", "rr", "rs", "rn"], ["n", "s", "r", "]", "last"]];
const last = cursor.positions.length - 1;
let canvas, head, tip, slider, step, where, play, commandLine;
let pace = 4;
let playing = null;
let pulled = null;

export function build() {
  const label = say("timeline");
  canvas = el("canvas.flame", { "aria-hidden": true });
  [head, tip] = [el("div.head"), el("div.tip", { "aria-hidden": true })];
  slider = el("input", { type: "range", min: 0, max: last, label, oninput: scrub });
  commandLine = el("input.command", { type: "text", placeholder: say("command_hint"), label: say("command_label"),
    spellcheck: "false", autocomplete: "off", onkeydown: typed });
  [step, where] = [el("b"), el("span")];
  play = el("button.play", { onclick: () => togglePlay() });
  togglePlay(false);
  const groups = BUTTONS.map((group) => el("span.group", group.map(
    (word) => el("button", { "data-move": word, title: say(`move_${word}`), onclick: () => obey(word) }, say(`button_${word}`)))));
  new ResizeObserver(drawFlame).observe(canvas);
  return el("footer.timeline", { label }, el("div.strip", { onpointermove: name }, canvas, head, tip, slider),
    el("div.controls", { role: "toolbar", label }, groups, play,
      select(say("pace"), PACES.map((n) => [n, `${n}/s`]), pace, setPace),
      el("output.where.quiet", step, " ", where), commandLine));
}

export function update() {
  const { call, kind, line, index } = cursor.position;
  const what = say(`at_${kind}`, { n: line?.line });
  const text = `${described(call)} · ${what}`;
  slider.value = index;
  put(slider, { "aria-valuetext": text });
  put(head, { style: { left: `${across(index) * 100}%` } });
  step.textContent = say("step_of", { n: count(cursor.tick), all: count(cursor.last) });
  where.textContent = clip(text, 90);
}

const across = (index) => (last ? index / last : 0);

// The call under the pointer: as deep as the pointer is low.
function name({ clientX, clientY }) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const [x, y] = [(clientX - left) / width, (clientY - top) / height];
  const { call, tick } = cursor.positions[Math.max(0, Math.min(Math.round(x * last), last))];
  const named = stackOf(call).at(-1 - Math.floor(y * depths())) ?? call;
  tip.textContent = `${described(named)} · ${say("step_of", { n: count(tick), all: count(cursor.last) })}`;
  put(tip, { style: { left: `${100 * x}%`, translate: `${-100 * x}%` } });
}

// Method or module first, for what follows may be cut off.
const described = ({ own, owner, path, kind, nth }) => {
  const place = kind === "module" ? path.slice(0, -own.length - 1) : owner;
  return visible(own + (nth ? `#${nth}` : "") + (place && ` · ${place}`));
};

const depths = () => Math.max(...rec.data.labels.bars.map(([, , depth]) => depth)) + 1;

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
  obey(commandLine.value.replace(/^\s*:/, "")); // typed once more, where it is at hand already
  commandLine.value = "";
}

export const focusCommand = () => { commandLine.focus(); };

export function togglePlay(on = !playing) {
  clearInterval(playing);
  playing = on ? setInterval(moveOn, 1000 / pace) : null;
  play.textContent = say(on ? "button_pause" : "button_play");
  put(play, { title: say(on ? "pause" : "play") });
}

export const isPlaying = () => playing !== null;

function moveOn() {
  if (obey("s").key) togglePlay(false);
}

function setPace(chosen) {
  pace = Number(chosen);
  togglePlay(isPlaying());
}

// Every call as a bar, one row per depth, in its stage's colour.
export function drawFlame() {
  const { bars } = rec.data.labels;
  const rows = depths();
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
