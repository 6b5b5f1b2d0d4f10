// Commentary on the stage, the function and the line at hand, in the language of the page.
import { el, prose } from "./dom.js";
import { sourceLines } from "./record.js";

export class Commentary {
  constructor(page) {
    this.page = page;
    this.body = el("div", { class: "body", tabindex: "0", role: "group", "aria-label": page.say("commentary") });
    this.element = page.panel("commentary", "commentary", this.body);
  }

  update() {
    const { page } = this;
    const said = this.entry(page.cursor.call);
    const note = said ? this.noteAt(said, page.cursor.place) : null;
    if (this.shown === said && this.note === note && this.body.firstChild) return;
    this.moved ||= this.shown !== said;
    [this.shown, this.note] = [said, note];
    this.body.replaceChildren(...(said ? this.written(said, note) : [page.nothing("no_comment")]));
  }

  settle() {
    if (this.moved) this.body.scrollTop = 0;
    this.moved = false;
  }

  /** What is said about a call, or about the nearest call around it. */
  entry(call) {
    const told = this.page.rec.data.told?.languages[this.page.lang];
    const around = told && this.page.timeline.stack(call).find((c) => told.calls[c.id] >= 0);
    return around ? told.entries[told.calls[around.id]] : null;
  }

  /** The note on the line, or on the block of lines that it is in: as deep, and without a gap. */
  noteAt(said, place) {
    const notes = said[6].filter(([first]) => first <= place?.line);
    if (!notes.length) return null;
    const note = notes.reduce((a, b) => (b[0] >= a[0] ? b : a));
    const lines = sourceLines(this.page.rec, place.file).slice(note[0] - 1, place.line);
    const indent = (text) => (text.trim() ? text.length - text.trimStart().length : -1);
    return lines.every((text) => indent(text) >= indent(lines[0])) ? note : null;
  }

  written([, title, text, here, papers, questions], note) {
    const { page } = this;
    const heading = (key, values) => el("h3", { text: page.say(key, values) });
    return [
      el("h2", {}, ...this.prose(title)),
      note && el("div", { class: "note" }, heading("this_line", { n: note[0] }),
        ...this.paragraphs([note[1]]), this.facts(note[2])),
      ...this.paragraphs(text), this.facts(here),
      questions.length ? heading("questions") : null,
      ...questions.map(([asked, answer, facts, read]) => el("details", {}, el("summary", {}, ...this.prose(asked)),
        ...this.paragraphs(answer), this.facts(facts), ...this.paragraphs(read, "paper"))),
      ...this.paragraphs(papers, "paper"),
    ].filter(Boolean);
  }

  prose(number) {
    return prose(this.page.rec.data.told.strings[number]);
  }

  paragraphs(numbers, names = null) {
    return numbers.map((number) => el("p", { class: names }, ...this.prose(number)));
  }

  facts(numbers) {
    if (!numbers.length) return null;
    return el("div", { class: "in-run" }, el("b", { text: this.page.say("in_this_run") }), ...this.paragraphs(numbers));
  }
}
