// The address of a step: #call=rpn.head.conv%233&line=77&round=1, or &at=end, or &text=part of the
// line; lang=zh goes before or after. address.py reads the same text.
import { sourceLines } from "./record.js";
import { LANGUAGES } from "./text.js";

/** The address that shows what the page shows. */
export function toAddress(page) {
  const { position } = page.cursor;
  const { call, line, kind } = position;
  const found = new URLSearchParams();
  found.set("call", page.rec.label.get(call.label) === call ? call.label : String(call.id));
  if (kind === "end") found.set("at", "end");
  if (kind === "line") {
    found.set("line", line.line);
    const round = page.timeline.iterations.get(position.tick);
    if (round) found.set("round", round);
  }
  if (page.linkedLang) found.set("lang", page.linkedLang);
  return `#${found.toString().replaceAll("+", "%20")}`;
}

/** Stand where an address points; what it does not name, or names wrongly, stays as it is. */
export function fromAddress(page, hash) {
  // A plus sign is one: the text of a line may hold it.
  const found = new URLSearchParams(hash.replace(/^#/, "").replaceAll("+", "%2B"));
  if (LANGUAGES.includes(found.get("lang"))) page.lang = page.linkedLang = found.get("lang");
  const call = findCall(page.rec, found.get("call"));
  const line = lineAt(page, call, found);
  const tick = line?.tick ?? (found.get("at") === "end" ? call?.end : call?.start);
  if (tick != null) page.cursor.goto(tick);
}

function findCall(rec, name) {
  if (name == null) return null;
  const label = /#\d+$/.test(name) ? name : `${name}#0`;
  return rec.label.get(label) ?? (/^\d+$/.test(name) ? rec.calls[Number(name)] : null) ?? null;
}

/** A line of a call by its number, any line as FILE:LINE; or the first to run that has a text. */
function lineAt({ rec, timeline }, call, found) {
  const fileOf = (line) => rec.calls[line.call].source?.file;
  const lines = call ? timeline.lines(call) : rec.lines;
  let [file, number] = /^(?:(.+):)?(\d+)$/.exec(found.get("line") ?? "")?.slice(1) ?? [];
  const text = found.get("text");
  if (text) {
    const first = lines.find((line) => (sourceLines(rec, fileOf(line))[line.line - 1] ?? "").includes(text));
    [file, number] = first ? [fileOf(first), first.line] : [];
  }
  if (!number || !(call || file)) return null;
  const rounds = lines.filter((line) => line.line === Number(number)
    && (!file || `/${fileOf(line)}`.endsWith(`/${file}`)));
  return rounds[Number(found.get("round") ?? 0)] ?? rounds[0];
}
