// The address of a step: #call=rpn.head.conv%233&line=77&round=1, or &at=end, or &text=part of the line;
// address.py reads the same.
import { cursor, LANGUAGES, rec, say, shown, tell } from "./page.js";

const VIEWS = ["plain", "full", "large"];

// The view of a step that a link leads to, unless it names another.
export const usual = matchMedia("(max-width: 900px)").matches ? "plain" : "full";

let linkedLang; // what a link named
let writing;

export function address() {
  const { call, line, kind } = cursor.position;
  const unique = rec.calls.find(({ label }) => label === call.label) === call;
  const parts = {
    call: unique ? call.label : call.id, at: kind === "end" ? "end" : null, line: line?.line, round: line?.round || null, lang: linkedLang,
    view: shown.view === usual ? null : shown.view,
  };
  const found = Object.entries(parts).filter(([, value]) => value != null);
  return `#${new URLSearchParams(found).toString().replaceAll("+", "%20")}`;
}

// What an address does not name, or names wrongly, stays as it is. Whether it names a step.
export function follow(hash) {
  // A plus sign is one: the text of a line may hold it.
  const found = new URLSearchParams(hash.replace(/^#/, "").replaceAll("+", "%2B"));
  const lang = found.get("lang");
  if (LANGUAGES.includes(lang)) shown.lang = linkedLang = lang;
  if (VIEWS.includes(found.get("view"))) shown.view = found.get("view");
  const [asked, ...line] = ["call", "line", "text"].map((name) => found.get(name));
  const call = named(asked);
  const place = lineOf(call, found);
  const tick = place?.tick ?? (found.get("at") === "end" ? call?.end : call?.start);
  if (tick != null) cursor.goto(tick);
  if ((asked && !call) || (line.some(Boolean) && !place)) tell(say("refused_link", { text: [asked, ...line].filter(Boolean).join(", ") }));
  return Boolean(asked || line.some(Boolean));
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
