// The address of a step: #call=rpn.head.conv%233&line=77&round=1, or &at=end; lang=zh goes first.
import { LANGUAGES } from "./strings.js";

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
  return `#${found}`;
}

/** Stand where an address points; what it does not name, or names wrongly, stays as it is. */
export function fromAddress(page, hash) {
  const found = new URLSearchParams(hash.replace(/^#/, ""));
  if (LANGUAGES.includes(found.get("lang"))) page.lang = page.linkedLang = found.get("lang");
  const call = findCall(page.rec, found.get("call"));
  const tick = call ? tickIn(page, call, found) : atLine(page, found);
  if (tick != null) page.cursor.goto(tick);
}

function findCall(rec, name) {
  if (name == null) return null;
  const label = /#\d+$/.test(name) ? name : `${name}#0`;
  return rec.label.get(label) ?? (/^\d+$/.test(name) ? rec.calls[Number(name)] : null) ?? null;
}

function tickIn(page, call, found) {
  if (found.get("at") === "end") return call.end;
  if (!found.has("line")) return call.start;
  const rounds = page.timeline.lines(call).filter((line) => line.line === Number(found.get("line")));
  return (rounds[Number(found.get("round") ?? 0)] ?? rounds[0])?.tick ?? call.start;
}

/** A line alone is looked up as FILE:LINE, where it ran first. */
function atLine(page, found) {
  const match = /^(.+):(\d+)$/.exec(found.get("line") ?? "");
  if (!match) return null;
  const { calls, lines } = page.rec;
  return lines.find(({ call, line }) => line === Number(match[2])
    && `/${calls[call].source?.file}`.endsWith(`/${match[1]}`))?.tick ?? null;
}
