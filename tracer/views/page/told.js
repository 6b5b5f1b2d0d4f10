// Commentary on the stage, the function and the line at hand, in the language of the page.
import { el, fill, prose, View } from "./dom.js";
import { sourceLines } from "./record.js";

export class Commentary extends View {
  constructor(page) {
    super(page);
    this.body = el("div.body", { tabindex: "0", role: "group", label: this.say("commentary") });
    this.element = this.panel("commentary", "commentary", this.body);
  }

  update() {
    const said = this.entry(this.cursor.call);
    const note = said ? this.noteAt(said, this.cursor.place) : null;
    if (this.shown === said && this.note === note && this.body.firstChild) return;
    this.moved ||= this.shown !== said;
    [this.shown, this.note] = [said, note];
    fill(this.body, said ? this.written(said, note) : this.nothing("no_comment"));
  }

  settle() {
    if (this.moved) this.body.scrollTop = 0;
    this.moved = false;
  }

  /** What is said about a call, or about the nearest call around it. */
  entry(call) {
    const { told } = this.page;
    const around = told && this.timeline.stack(call).find(({ id }) => told.calls[id] >= 0);
    return around ? told.entries[told.calls[around.id]] : null;
  }

  /** The note on the line, or on the block of lines that it is in: as deep, and without a gap. */
  noteAt(said, place) {
    const notes = said[6].filter(([first]) => first <= place?.line);
    if (!notes.length) return null;
    const note = notes.reduce((a, b) => (b[0] >= a[0] ? b : a));
    const lines = sourceLines(this.rec, place.file).slice(note[0] - 1, place.line);
    return lines.every((text) => text.trim() && indent(text) >= indent(lines[0])) ? note : null;
  }

  written([, title, text, here, papers, questions], note) {
    const { say } = this;
    return [
      el("h2", this.prose(title)),
      note && el("div.note", el("h3", say("this_line", { n: note[0] })), this.paragraphs([note[1]]), this.facts(note[2])),
      this.paragraphs(text), this.facts(here),
      questions.length > 0 && el("h3", say("questions")),
      questions.map(([asked, answer, facts, read]) => el("details", el("summary", this.prose(asked)),
        this.paragraphs(answer), this.facts(facts), this.paragraphs(read, "p.paper"))),
      this.paragraphs(papers, "p.paper"),
    ];
  }

  prose(number) {
    return prose(this.rec.data.told.strings[number]);
  }

  paragraphs(numbers, tag = "p") {
    return numbers.map((number) => el(tag, this.prose(number)));
  }

  facts(numbers) {
    return numbers.length > 0 && el("div.in-run", el("b", this.say("in_this_run")), this.paragraphs(numbers));
  }
}

/** How far a line of code is indented. */
function indent(text) {
  return text.length - text.trimStart().length;
}
