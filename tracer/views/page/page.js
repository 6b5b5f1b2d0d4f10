// What all parts of the page share: the recording, the cursor in it, the language, what is at hand.
// A part is a module: build() makes its element, update() shows where the cursor stands, settle() does
// what needs the layout, draw() paints.
import { command } from "./commands.js";
import { el, visible } from "./dom.js";
import { attempt } from "./evaluate.js";
import { unpack } from "./record.js";
import { Cursor } from "./stepper.js";

export const root = document.getElementById("app");
export const message = el("p.message", { role: "status" });

// What the browser remembers between visits, where it does; a frame of its own has no storage.
export const memory = (() => {
  try {
    return localStorage;
  } catch {
    return {};
  }
})();

export const rec = await unpack(document.getElementById("recording").textContent.trim()).catch((error) => {
  const reason = document.getElementById(globalThis.DecompressionStream ? "damaged" : "too-old");
  root.replaceChildren(reason);
  reason.hidden = false;
  throw error;
});
export const LANGUAGES = Object.keys(rec.data.languages);
export const cursor = new Cursor(rec);
export const shown = {
  lang: LANGUAGES.find((lang) => lang === memory["tracer-lang"]) ?? rec.data.lang,
  tensor: null, // the state at hand
  pinned: false, // whether it stays while stepping
};

// Of a text in every language the one to show.
export const local = (texts) => texts[LANGUAGES.indexOf(shown.lang)];

// The page's text for a key, its {names} filled in.
export const say = (key, values = {}) => local(rec.data.texts[key]).replace(/\{(\w+)\}/g, (_, name) => String(values[name]));

export const told = () => rec.data.told?.languages[shown.lang];

export const tell = (text) => { message.textContent = visible(text); };

export const panel = (names, key, ...children) => el(`section.panel.${names}`, { label: say(key) }, children);

export const nothing = (key, tag = "p") => el(`${tag}.nothing.quiet`, say(key));

// What belongs to no stage, or to one of another's making, has a colour that is not there.
export const stageInk = (stage) => `stage-${/^\w+$/.test(stage) ? stage : "other"}`;

export const stageStyle = (stage) => { return { "--stage": `var(--${stageInk(stage)})` }; };

export const parts = [];
let drawing = null;

// First all is written, then what needs the layout is done.
export function refresh() {
  for (const part of parts) part.update();
  for (const part of parts) part.settle?.();
  drawSoon();
}

// With the screen's next picture, once however many steps are made until then.
export const drawSoon = () => { drawing ??= requestAnimationFrame(drawNow); };

export function drawNow() {
  cancelAnimationFrame(drawing);
  drawing = null;
  for (const part of parts) part.draw?.();
}

export function go(tick) {
  cursor.goto(tick);
  refresh();
}

export function pick(tensor) {
  shown.tensor = tensor;
  refresh();
}

// Say what a command answers: a text, the breakpoint that stopped, why it was refused.
export function obey(line) {
  const answer = attempt(() => command(cursor, line));
  tell(answer.key ? say(`refused_${answer.key}`, answer.values) : answer.ticks ? say("stopped", answer) : answer);
  refresh();
  return answer;
}

export function toggleBreakpoint({ file, line }) {
  const there = cursor.breakpoints.find(({ location }) => location.name === file && location.line === cursor.statement(file, line));
  if (there) cursor.remove(there);
  else if (!obey(`b ${file}:${line}`).key) tell("");
  refresh();
}
