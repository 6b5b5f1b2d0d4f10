// Commentary on the stage, the function and the line at hand.
import { el, fill, prose } from "./dom.js";
import { cursor, nothing, panel, rec, say, told } from "./page.js";
import { stackOf } from "./stepper.js";

let body;
let entry; // what is said there,
let note; // and of the line
let begun; // what was scrolled to its beginning

export function build() {
  body = el("div.body", { tabindex: "0", role: "group", label: say("commentary") });
  return panel("commentary", "commentary", body);
}

export function update() {
  const { call, place } = cursor;
  const said = about(call);
  const remark = said?.[6].find(([first, last]) => first <= place?.line && place.line <= last);
  if (said === entry && remark === note && body.firstChild) return;
  [entry, note] = [said, remark];
  fill(body, said ? written(said) : nothing("no_comment"));
}

export function settle() {
  if (begun !== entry) body.scrollTop = 0;
  begun = entry;
}

function about(call) {
  const { calls, entries } = told() ?? { calls: [] };
  const around = stackOf(call).find(({ id }) => calls[id] >= 0);
  return around && entries[calls[around.id]];
}

function written([, title, text, here, papers, questions]) {
  return [
    el("h2", textOf(title)),
    note && el("div.note", el("h3", say("this_line", { n: note[0] })), paragraphs([note[2]]), facts(note[3])),
    paragraphs(text), facts(here), questions.length > 0 && el("h3", say("questions")),
    questions.map(([asked, answer, known, read]) => el("details", el("summary", textOf(asked)),
      paragraphs(answer), facts(known), paragraphs(read, "p.paper"))),
    paragraphs(papers, "p.paper"),
  ];
}

const textOf = (number) => prose(rec.data.told.strings[number]);

const paragraphs = (numbers, tag = "p") => numbers.map((number) => el(tag, textOf(number)));

const facts = (numbers) => numbers.length > 0 && el("div.in-run", el("b", say("in_this_run")), paragraphs(numbers));
