// Above the panes: a question to guess at before looking. guides.py says what it holds.
import { el, fill, prose, put, select } from "./dom.js";
import { go, lead, leadBack, local, rec, refresh, say } from "./page.js";
import * as tour from "./tour.js";

export const guesses = rec.data.guesses;
let bar, bring;
let open = false;
let at = 0; // which question,
let given = null; // and the answer to it: its place, -1 for none of them
let answered = {}; // of each question whether the first answer was right

// `show(panel, drawing)` brings a panel into sight.
export function build(show) {
  bring = show;
  bar = el("section.guess", { label: say("guess"), hidden: !open });
  write();
  return bar;
}

export const isOn = () => open;

export function close() {
  open = false;
  write();
}

export function toggle() {
  open = !open && guesses.length > 0;
  if (open && tour.isOn()) tour.leave();
  (open ? lead : leadBack)();
  write();
  refresh();
  if (open) bar.querySelector(".choice")?.focus();
}

function ask(number) {
  [at, given] = [(number + guesses.length) % guesses.length, null];
  write();
  bar.querySelector(".choice")?.focus();
}

const letter = (i) => String.fromCharCode(97 + i);
const plain = (text) => text.toLowerCase().replace(/[\s,()[\]\u202f]/g, "").replace(/(\d)[x*](?=\d)/g, "$1×");

// A letter, or what one of the choices says.
function typed(text) {
  if (text) answer(guesses[at].choices.findIndex(([said], i) => [letter(i), plain(local(said))].includes(plain(text))));
}

function answer(choice) {
  given = choice;
  if (choice >= 0) answered[at] ??= choice === guesses[at].right;
  write();
  bar.querySelector(".on").focus();
}

function write() {
  put(bar, { hidden: !open });
  if (!open) return;
  const { ask: asked, choices, right } = guesses[at];
  const button = (key, onclick, names = "") => el(`button.tool${names}`, { onclick }, say(key));
  const done = Object.values(answered);
  const look = (i) => (given != null && i === right ? ".is-right" : given === i ? ".is-wrong" : "");
  fill(bar, el("div", el("h2", say("guess")), el("p", prose(local(asked))),
    el("div.choices", choices.map(([said], i) => el(`button.tool.choice${look(i)}`, { onclick: () => answer(i) }, `${letter(i)}) ${local(said)}`)),
    given == null && el("input.typed", { hint: say("guess_type"), placeholder: say("guess_type"), onchange: ({ target }) => typed(target.value) })),
    el("div", { role: "status" }, given != null && verdict(guesses[at]))),
  el("div.stops-of", select(say("guess_which"), guesses.map(({ kind }, i) => [i, `${i + 1}/${guesses.length} ${local(kind)}`]), at, (i) => ask(Number(i))),
    given != null && button("guess_see", see, ".on"), button("guess_on", () => ask(at + 1), given == null ? ".on" : ""),
    button("tour_leave", toggle),
    done.length > 0 && el("span.quiet", say("guess_score", { right: done.filter(Boolean).length, all: done.length }))));
}

function verdict({ choices, right, why }) {
  const is = given === right;
  const head = say(is ? "guess_right" : "guess_wrong", { letter: letter(right), answer: local(choices[right][0]) });
  const missed = choices[given]?.[1];
  return [el("p", el("b", `${is ? "✓" : "✗"} ${head}`)), missed && el("p", prose(local(missed))), why.map((text) => el("p", prose(local(text))))];
}

function see() {
  const { tick, panel, drawing } = guesses[at];
  go(tick);
  bring(panel, drawing);
}
