// What the search finds beside calls: remarks of the commentary, and lines of code that ran.
import { cursor, rec, told } from "./page.js";

const [BEFORE, AFTER] = [24, 90]; // characters of a text around what is found
let ran; // by file and line the tick of its first run

// Of each remark that holds a text, in small letters: the words around it, its title, a tick.
export function inCommentary(wanted) {
  const { calls = [], stages = {}, entries = [] } = told() ?? {};
  const found = entries.flatMap((entry, number) => {
    const [, title, text, here, , questions, notes] = entry;
    const call = rec.calls[calls.indexOf(number)] ?? rec.stages.filter(({ name }) => stages[name]?.[1] === number).map(({ calls: [first] }) => rec.calls[first])[0];
    if (!call) return [];
    const heading = written(title);
    const hit = (all, tick) => {
      const words = all.map((text) => around(written(text), wanted)).find(Boolean);
      return words ? [{ words, place: heading, tick }] : [];
    };
    const remarks = notes.flatMap(([first, last, remark, numbers]) =>
      hit([remark, ...numbers], call.lines.find(({ line }) => first <= line && line <= last)?.tick ?? call.start));
    return [...hit([title, ...text, ...here, ...questions.flatMap(([asked, answer, known]) => [asked, ...answer, ...known])], call.start), ...remarks];
  });
  // of the second picture much the same is said as of the first
  return [...new Map(found.reverse().map((hit) => [hit.words + hit.place, hit])).values()].reverse();
}

// The same of each statement that ran: its line, and the file.
export function inCode(wanted) {
  ran ??= firstRuns();
  return [...rec.sources].flatMap(([name, { lines }]) => {
    const found = new Map();
    lines.forEach((text, i) => {
      if (!text.toLowerCase().includes(wanted)) return;
      const tick = ran.get(`${name}:${cursor.statement(name, i + 1)}`);
      if (tick != null) found.set(tick, { words: text.trim(), place: `${name.split("/").pop()}:${i + 1}`, tick });
    });
    return [...found.values()];
  });
}

function firstRuns() {
  const found = new Map();
  for (const { call, line, tick } of rec.lines) {
    const key = `${rec.calls[call].source?.file}:${line}`;
    if (!found.has(key)) found.set(key, tick);
  }
  return found;
}

const written = (number) => rec.data.told.strings[number].replaceAll("`", "");

function around(text, wanted) {
  const at = text.toLowerCase().indexOf(wanted);
  return at < 0 ? "" : `${at > BEFORE ? "…" : ""}${text.slice(Math.max(0, at - BEFORE), at + AFTER)}${text.length > at + AFTER ? "…" : ""}`;
}
