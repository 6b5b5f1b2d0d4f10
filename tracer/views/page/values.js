// Right, above: the arguments and locals of the call at hand; what is new stands out.
import { el, fill, reveal, View } from "./dom.js";
import { leaves, tensorsOf } from "./record.js";
import { brief, clip, num } from "./text.js";

const MOST_PARTS = 24;

export class Values extends View {
  constructor(page) {
    super(page);
    this.list = el("ul.values");
    this.element = this.panel("variables", "values", this.list);
  }

  update() {
    const { page, say, cursor: { call, position, selected, tick } } = this;
    const ended = selected === 0 && position.kind === "end";
    const changed = selected === 0 ? this.timeline.changed(position) : [];
    const fresh = new Set(changed.map(([name]) => name));
    if (page.automatic) {
      const newest = changed.map(([, value]) => value).reverse();
      page.tensor = this.atHand([ended && call.result, ...newest]) ?? page.tensor ?? this.now(tensorsOf(call.args)[0]);
    }
    const rows = [ended && call.error && el("li.error", el("b", say("raises")), " ", call.error)];
    if (ended && call.result) rows.push(this.entry(say("returns"), call.result, ".result.fresh"));
    for (const [name, value] of this.timeline.locals(call, tick)) {
      // What the model consists of is in the tree; while it is built, it is what is at hand.
      if (name === "self" && value.kind === "module" && this.rec.kind === "pass" && !fresh.has(name)) continue;
      rows.push(this.entry(name, value, fresh.has(name) ? ".fresh" : ""));
    }
    fill(this.list, rows);
    if (!this.list.firstChild) fill(this.list, this.nothing("nothing_here", "li"));
  }

  settle() {
    reveal(this.list, this.list.querySelector(".fresh"));
  }

  /** A row for a value, and rows for the parts of a list or dict with tensors. */
  entry(name, value, names) {
    const parts = this.parts(value);
    const more = parts.length - MOST_PARTS;
    return [this.row(name, value, names),
      parts.slice(0, MOST_PARTS).map(([path, leaf]) => this.row(path, leaf, ".part")),
      more > 0 && el("li.part.quiet", `… ${this.say("more", { n: more })}`)];
  }

  /** The tensors in a value; of a module under construction the modules in it. */
  parts(value) {
    if (value.tensor != null) return [];
    if (value.kind !== "module") return [...leaves(value)].filter(([, leaf]) => leaf.tensor != null);
    return this.rec.kind === "pass" ? [] : value.items.filter(([, item]) => item.kind === "module");
  }

  row(name, value, names) {
    const label = el("span.name", clip(name, 60));
    if (value.tensor == null) {
      const frozen = value.params?.[1] < value.params?.[0];
      return el(`li${names}`, { title: frozen && this.say("frozen") }, label,
        el("span.value", clip(brief(this.rec, value, 70), 120)));
    }
    const now = this.now(value.tensor);
    const { min, max, nan, inf } = this.rec.tensors[now].summary;
    return el(`li${names}`, el(`button.tensor${nan || inf ? ".bad" : ""}`, {
      "aria-pressed": String(this.page.tensor === now), onclick: () => this.page.pick(now),
    }, label, el("span.value", brief(this.rec, { tensor: now })),
    min != null && el("span.range", `${num(min)} … ${num(max)}`)));
  }

  /** What the tensor that held a state holds at this moment. */
  now(state) {
    return state == null ? null : this.timeline.current(state, this.cursor.tick);
  }

  /** The tensor to show of itself: the first in some values, with a picture if one has it. */
  atHand(values) {
    const states = values.filter(Boolean).flatMap((value) => tensorsOf(value)).map((state) => this.now(state));
    return states.find((state) => this.rec.tensors[state].preview) ?? states[0];
  }
}
