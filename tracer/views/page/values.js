// Right, above: the arguments and locals of the call at hand; what is new stands out.
import { clip, el, fill, reveal } from "./dom.js";
import { nothing, panel, say } from "./page.js";
import { changed, current, locals } from "./stepper.js";

const MOST_PARTS = 24;

// `difference(name, path, value)` says how a value differs from what it is compared with; the result has no name.
export function valuesPane({ rec, cursor, shown, pick, difference = () => null }) {
  let list;
  let seen; // where the tensor at hand was chosen

  function build() {
    list = el("ul.values");
    return panel("variables", "values", list);
  }

  function update() {
    const { call, position, selected, tick } = cursor;
    const ended = selected === 0 && position.kind === "end";
    const fresh = new Map(selected === 0 ? changed(position) : []);
    const here = `${tick} ${selected}`;
    if (here !== seen && !shown.pinned) {
      shown.tensor = atHand([ended && call.result, ...[...fresh.values()].reverse()]) ?? shown.tensor ?? now(call.args.tensors[0]?.[1]);
    }
    seen = here;
    const rows = [ended && call.error && el("li.error", el("b", say("raises")), " ", call.error)];
    if (ended && call.result) rows.push(entry("", call.result, ".result.fresh"));
    for (const [name, value] of locals(call, tick)) {
      // What the model consists of is in the tree; while it is built, it is what is at hand.
      if (name === "self" && value.kind === "module" && rec.kind === "pass" && !fresh.has(name)) continue;
      rows.push(entry(name, value, fresh.has(name) ? ".fresh" : ""));
    }
    fill(list, rows.some(Boolean) ? rows : nothing("nothing_here", "li"));
  }

  const settle = () => { reveal(list, list.querySelector(".fresh")); };

  function entry(name, value, names) {
    const inner = parts(value);
    const more = Math.max(inner.length, value.count ?? 0) - MOST_PARTS;
    const leaves = inner.slice(0, MOST_PARTS).map(([path, leaf]) => row(path, leaf, ".part", difference(name, path, leaf)));
    return [row(name || say("returns"), value, names, difference(name, "", value)), leaves,
      more > 0 && el("li.part.quiet", `… ${say("more", { n: more })}`)];
  }

  // The tensors in a value; of a module under construction the modules in it.
  function parts(value) {
    if (value.tensor) return [];
    if (value.kind !== "module") return value.tensors.map(([path, tensor]) => [path, { tensor }]);
    return rec.kind === "pass" ? [] : value.items.filter(([, item]) => item.kind === "module");
  }

  function row(name, value, names, apart) {
    const differs = apart && el("span.apart", apart);
    if (apart) names += ".differs";
    const label = el("span.name", clip(name, 60));
    if (!value.tensor) {
      const frozen = value.params?.[1] < value.params?.[0];
      return el(`li${names}`, { title: frozen && say("frozen") }, label, el("span.value", clip(value.brief, 120)), differs);
    }
    const state = now(value.tensor);
    const { shape, ends, bad } = state;
    return el(`li${names}`, el(`button.tensor${bad.length ? ".bad" : ""}`, {
      "aria-pressed": shown.tensor === state, onclick: () => pick(state),
    }, label, el("span.value", shape), ends.length > 0 && el("span.range", ends.join(" … ")), differs));
  }

  const now = (state) => current(state, cursor.tick);

  // The first tensor in some values, with a picture if one has it.
  function atHand(values) {
    const states = values.filter(Boolean).flatMap(({ tensors }) => tensors).map(([, state]) => now(state));
    return states.find((state) => state.preview) ?? states[0];
  }

  return { build, update, settle };
}
