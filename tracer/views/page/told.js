// Commentary on the stage, the function and the line at hand.
import { el, fill, prose } from "./dom.js";
import { cursor, nothing, panel, rec, say, told } from "./page.js";
import { stackOf } from "./stepper.js";

let body;
let entry; // what is said there,
let note; // and of the line
let whole; // and of the stage that begins there
let begun; // what was scrolled to its beginning

export function build() {
  body = el("div.body", { tabindex: "0", role: "group", label: say("commentary") });
  return panel("commentary", "commentary", body);
}

// On paper the plain view is the commentary on every stage, its questions answered.
export const paper = el("section.whole.commentary");
addEventListener("beforeprint", () => {
  const { stages = {}, entries } = told() ?? {};
  fill(paper, Object.values(stages).map(([title, number]) => (number < 0 ? el("h2", title) : written(entries[number]))));
  for (const asked of paper.querySelectorAll("details")) asked.open = true;
});
addEventListener("afterprint", () => paper.replaceChildren());

export function update() {
  const { call, place } = cursor;
  const said = about(call);
  const remark = said?.[6].find(([first, last]) => first <= place?.line && place.line <= last);
  const stage = stageOf(call);
  if (said === entry && remark === note && stage === whole && body.firstChild) return;
  [entry, note, whole] = [said, remark, stage];
  const both = [said && written(said, note), stage && stage !== said && written(stage)];
  fill(body, said || stage ? (note ? both : both.reverse()) : nothing("no_comment"));
}

export function settle() {
  if (begun !== entry) body.scrollTop = 0;
  begun = entry;
}

// Of the call that a stage begins with what is said of the stage.
function stageOf({ id }) {
  const { name } = rec.stages.find(({ calls: [first] }) => first === id) ?? {};
  return told()?.entries[told().stages[name]?.[1]];
}

function about(call) {
  const { calls, entries } = told() ?? { calls: [] };
  const around = stackOf(call).find(({ id }) => calls[id] >= 0);
  return around && entries[calls[around.id]];
}

function written([, title, text, here, papers, questions], note) {
  return [
    el("h2", textOf(title)),
    note && el("div.note", el("h3", say("this_line", { n: note[0] })), paragraphs([note[2]]), facts(note[3])),
    paragraphs(text), facts(here), questions.length > 0 && el("h3", say("questions")),
    questions.map(folded),
    paragraphs(papers, "p.paper"),
  ];
}

const folded = ([asked, answer, known, read]) => el("details", el("summary", textOf(asked)), paragraphs(answer), facts(known), paragraphs(read, "p.paper"));

// Every question that is answered anywhere, once.
export function everyQuestion() {
  const all = (told()?.entries ?? []).flatMap((entry) => entry[5]);
  return [...new Map(all.map((question) => [question[0], question])).values()].map(folded);
}

const textOf = (number) => prose(rec.data.told.strings[number]);

const paragraphs = (numbers, tag = "p") => numbers.map((number) => el(tag, textOf(number)));

const facts = (numbers) => numbers.length > 0 && el("div.in-run", el("b", say("in_this_run")), paragraphs(numbers));
