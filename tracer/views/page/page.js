// What all parts of the page share: the recording, the cursor in it, the language, what is at hand.
// A part is a module: build() makes its element, update() shows where the cursor stands, settle() does
// what needs the layout, draw() paints.
import { command } from "./commands.js";
import { el, visible } from "./dom.js";
import { attempt, Refused } from "./evaluate.js";
import { unpack } from "./record.js";
import { Cursor } from "./stepper.js";

export const root = document.getElementById("app");
export const message = el("p.message", { role: "status" });

// What the browser remembers between visits, where it does; a frame of its own has no storage.
export const memory = (() => {
  try {
    localStorage["tracer-there"] = "";
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

// The first of the browser's languages that the page has, zh for zh-TW too.
const spoken = (navigator.languages ?? []).flatMap((tag) => [tag, tag.split("-")[0]]);

export const shown = {
  lang: [memory["tracer-lang"], rec.data.lang, ...spoken, LANGUAGES[0]].find((lang) => LANGUAGES.includes(lang)),
  view: rec.data.view, // plain, full or large
  tensor: null, // the state at hand
  pinned: false, // whether it stays while stepping
};

// Of a text in every language the one to show.
export const local = (texts) => texts[LANGUAGES.indexOf(shown.lang)];

// The page's text for a key, its {names} filled in.
export const say = (key, values = {}) => local(rec.data.texts[key]).replace(/\{(\w+)\}/g, (_, name) => String(values[name]));

export const told = () => rec.data.told?.languages[shown.lang];

// A message stays as long as it takes to read, or until the next command.
export function tell(text) {
  clearTimeout(fading);
  message.textContent = visible(text);
  if (text) fading = setTimeout(tell, 4000 + 60 * text.length, "");
}

export const panel = (names, key, ...children) => el(`section.panel.${names}`, { label: say(key) }, children);

export const nothing = (key, tag = "p") => el(`${tag}.nothing.quiet`, say(key));

// What belongs to no stage, or to one of another's making, has a colour that is not there.
export const stageInk = (stage) => `stage-${/^\w+$/.test(stage) ? stage : "other"}`;

export const stageStyle = (stage) => { return { "--stage": `var(--${stageInk(stage)})` }; };

let left = null; // the view that a tour or a question led away from

// Show all of it, some of it, or one part large.
export function view(name) {
  left = null;
  shown.view = name;
  refresh();
}

// What leads one through the page may change the view, and gives it back in the end.
export const lead = () => { left ??= shown.view; };

export function leadBack() {
  shown.view = left ?? shown.view;
  left = null;
}

export const parts = [];
let drawing = null;
let fading;

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
  tell("");
  cursor.goto(tick);
  refresh();
}

export function pick(tensor) {
  shown.tensor = tensor;
  refresh();
}

// Say what a command answers, or why it was refused.
export function obey(line) {
  const answer = attempt(() => command(cursor, line));
  tell(answered(answer));
  refresh();
  return answer;
}

// A text, one of the page's own by its key, what a command does in every language, or lines of these.
function answered(answer) {
  if (typeof answer === "string") return answer;
  if (Array.isArray(answer)) return answer.map(answered).join("\n");
  if (answer.usage) return `${answer.usage.padEnd(24)}${local(answer.told)}`;
  return answer instanceof Refused ? say(`refused_${answer.key}`, answer.values) : say(answer.key, answer.values);
}

export function toggleBreakpoint({ file, line }) {
  const there = cursor.breakpoints.find(({ location }) => location.name === file && location.line === cursor.statement(file, line));
  if (there) cursor.remove(there);
  else if (!(obey(`b ${file}:${line}`) instanceof Refused)) tell("");
  refresh();
}
