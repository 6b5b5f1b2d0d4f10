// The address of a step: #call=rpn.head.conv%233&line=77&round=1, or &at=end, or &text=part of the line;
// address.py reads the same.
import { cursor, LANGUAGES, rec, shown } from "./page.js";

let linkedLang; // what a link named
let writing;

export function address() {
  const { call, line, kind } = cursor.position;
  const unique = rec.calls.find(({ label }) => label === call.label) === call;
  const parts = {
    call: unique ? call.label : call.id, at: kind === "end" ? "end" : null, line: line?.line, round: line?.round || null, lang: linkedLang,
  };
  const found = Object.entries(parts).filter(([, value]) => value != null);
  return `#${new URLSearchParams(found).toString().replaceAll("+", "%20")}`;
}

// What an address does not name, or names wrongly, stays as it is.
export function follow(hash) {
  // A plus sign is one: the text of a line may hold it.
  const found = new URLSearchParams(hash.replace(/^#/, "").replaceAll("+", "%2B"));
  const lang = found.get("lang");
  if (LANGUAGES.includes(lang)) shown.lang = linkedLang = lang;
  const call = named(found.get("call"));
  const tick = lineOf(call, found)?.tick ?? (found.get("at") === "end" ? call?.end : call?.start);
  if (tick != null) cursor.goto(tick);
}

function named(name) {
  return rec.calls.find(({ label }) => label === name || label === `${name}#0`) ?? rec.calls[/^\d+$/.test(name) ? name : -1];
}

// A line of a call, any line as FILE:LINE, or the first to run that has a text.
function lineOf(call, found) {
  const fileOf = (line) => rec.calls[line.call].source?.file ?? "";
  const lines = call?.lines ?? rec.lines;
  let [, file, number] = /^(?:(.+):)?(\d+)$/.exec(found.get("line") ?? "") ?? [];
  const text = found.get("text");
  if (text) {
    const first = lines.find((line) => rec.sources.get(fileOf(line))?.lines[line.line - 1]?.includes(text));
    [file, number] = first ? [fileOf(first), first.line] : [];
  }
  if (!number || !(call || file)) return null;
  const rounds = lines.filter((line) => line.line === cursor.statement(fileOf(line), number) && (!file || `/${fileOf(line)}`.endsWith(`/${file}`)));
  return rounds[found.get("round") ?? 0] ?? rounds[0];
}

// The browser takes long over its address bar, and counts how often it is asked.
export function update() {
  clearTimeout(writing);
  writing = setTimeout(() => {
    try {
      history.replaceState(null, "", address());
    } catch {
      // a frame without an address of its own
    }
  }, 250);
}
