// Commentary on the stage, the function and the line at hand, in the language of the page.
import { el, prose } from "./dom.js";
import { sourceLines } from "./record.js";

export class Commentary {
  constructor(page) {
    this.page = page;
    this.body = el("div", { class: "body", tabindex: "0", role: "group", "aria-label": page.say("commentary") });
    this.element = el("section", { class: "panel commentary", "aria-label": page.say("commentary") }, this.body);
  }

  update() {
    const { page } = this;
    const said = this.entry(page.cursor.call);
    const note = said ? this.noteAt(said, page.cursor.place) : null;
    if (this.shown === said && this.note === note && this.body.firstChild) return;
    const moved = this.shown !== said;
    [this.shown, this.note] = [said, note];
    this.body.replaceChildren(...(said ? this.written(said, note)
      : [el("p", { class: "empty", text: page.say("no_comment") })]));
    if (moved) this.body.scrollTop = 0;
  }

  /** What is said about a call, or about the nearest call around it. */
  entry(call) {
    const told = this.page.rec.data.told?.languages[this.page.lang];
    if (!told) return null;
    const around = this.page.timeline.stack(call).find((c) => told.calls[c.id] >= 0);
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
    const parts = [el("h2", {}, ...this.prose(title))];
    if (note) {
      parts.push(el("div", { class: "note" },
        el("h3", { text: page.say("this_line", { n: note[0] }) }),
        el("p", {}, ...this.prose(note[1])), ...this.facts(note[2])));
    }
    parts.push(...this.paragraphs(text), ...this.facts(here));
    if (questions.length) parts.push(el("h3", { text: page.say("questions") }));
    for (const [asked, answer, facts, read] of questions) {
      parts.push(el("details", {}, el("summary", {}, ...this.prose(asked)), ...this.paragraphs(answer),
        ...this.facts(facts), ...this.papers(read)));
    }
    parts.push(...this.papers(papers));
    return parts;
  }

  prose(number) {
    return prose(this.page.rec.data.told.strings[number]);
  }

  paragraphs(numbers) {
    return numbers.map((number) => el("p", {}, ...this.prose(number)));
  }

  facts(numbers) {
    if (!numbers.length) return [];
    return [el("div", { class: "facts" }, el("span", { class: "tag", text: this.page.say("in_this_run") }),
      ...this.paragraphs(numbers))];
  }

  papers(numbers) {
    return numbers.map((number) => el("p", { class: "paper" }, ...this.prose(number)));
  }
}
