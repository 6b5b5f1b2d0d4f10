// What the reader of a page chooses, its language and its colours, and the keys.
import { el } from "./dom.js";
import { LANGUAGES, memory, rec, say, shown } from "./page.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const page = document.documentElement;
let recoloured; // what to do once colours are others

export const tool = (text, hint, onclick, names = "") => el(`button.tool${names}`, { title: hint, onclick }, text);

// The document is in the language that is shown.
export const named = () => { page.lang = rec.data.languages[shown.lang][1]; };

// To the next language; `build` makes the page anew.
export function languageTool(build) {
  const next = (LANGUAGES.indexOf(shown.lang) + 1) % LANGUAGES.length;
  return tool(rec.data.languages[LANGUAGES[next]][0], rec.data.texts.language_hint[next], () => {
    shown.lang = memory["tracer-lang"] = LANGUAGES[next];
    build();
    document.querySelector(".language").focus();
  }, ".language");
}

export const schemeTool = () => tool(say("scheme"), say("scheme_hint"), () => {
  memory["tracer-scheme"] = page.dataset.scheme === "dark" ? "light" : "dark";
  apply();
  recoloured();
});

// Light or dark, as it was chosen or as the system has it.
export function scheme(redraw) {
  recoloured = redraw;
  apply();
  dark.addEventListener("change", apply);
}

function apply() {
  page.dataset.scheme = ["light", "dark"].find((name) => name === memory["tracer-scheme"]) ?? (dark.matches ? "dark" : "light");
}

// Keys act, but where something is typed or a dialog is open.
export function listen(keys, act, isBusy) {
  document.addEventListener("keydown", (event) => {
    const { key, target: { tagName, type } } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || isBusy()) return;
    if (["SELECT", "TEXTAREA"].includes(tagName) || (tagName === "INPUT" && !["range", "checkbox"].includes(type))) return;
    const onButton = key === " " && ["BUTTON", "SUMMARY", "INPUT"].includes(tagName);
    if (!Object.hasOwn(keys, key) || onButton) return;
    event.preventDefault();
    act(key);
  });
}
