// Right, above: the arguments and locals of the call at hand; what is new stands out.
import { el, reveal, visible } from "./dom.js";
import { leaves, tensorsOf } from "./record.js";
import { brief, clip, num } from "./text.js";

const MOST_PARTS = 24;

export class Values {
  constructor(page) {
    this.page = page;
    this.list = el("ul", { class: "values" });
    this.element = page.panel("variables", "values", this.list);
  }

  update() {
    const { page } = this;
    const { cursor, timeline } = page;
    const { call, position } = cursor;
    const own = cursor.selected === 0;
    const ended = own && position.kind === "end";
    const fresh = new Set(own ? timeline.changed(position).map(([name]) => name) : []);
    if (page.automatic) page.tensor = this.atHand(own, ended) ?? page.tensor ?? this.now(tensorsOf(call.args)[0]);
    const rows = [];
    if (ended && call.error) {
      rows.push(el("li", { class: "error" }, el("b", { text: page.say("raises") }), " ", visible(call.error)));
    }
    if (ended && call.result) rows.push(...this.entry(page.say("returns"), call.result, "result fresh"));
    for (const [name, value] of timeline.locals(call, cursor.tick)) {
      // What the model consists of is in the tree; while it is built, it is what is at hand.
      if (name === "self" && value.kind === "module" && page.rec.kind === "pass" && !fresh.has(name)) continue;
      rows.push(...this.entry(visible(name), value, fresh.has(name) ? "fresh" : ""));
    }
    this.list.replaceChildren(...(rows.length ? rows : [page.nothing("nothing_here", "li")]));
  }

  settle() {
    const newest = this.list.querySelector(".fresh");
    if (newest) reveal(this.list, newest);
  }

  /** A row for a value, and rows for the parts of a list or dict with tensors. */
  entry(name, value, names) {
    const parts = this.parts(value);
    const rows = [this.row(name, value, names)];
    for (const [path, leaf] of parts.slice(0, MOST_PARTS)) rows.push(this.row(visible(path), leaf, "part"));
    const more = parts.length - MOST_PARTS;
    if (more > 0) rows.push(el("li", { class: "part quiet", text: `… ${this.page.say("more", { n: more })}` }));
    return rows;
  }

  /** The tensors in a value; of a module under construction the modules in it. */
  parts(value) {
    if (value.tensor != null) return [];
    if (value.kind !== "module") return [...leaves(value)].filter(([, leaf]) => leaf.tensor != null);
    return this.page.rec.kind === "pass" ? [] : value.items.filter(([, item]) => item.kind === "module");
  }

  row(name, value, names) {
    const { page } = this;
    const label = el("span", { class: "name", text: clip(name, 60) });
    const text = (what) => el("span", { class: "value", text: what });
    if (value.tensor == null) {
      const frozen = value.params?.[1] < value.params?.[0];
      return el("li", { class: names, title: frozen ? page.say("frozen") : null }, label,
        text(clip(brief(page.rec, value, 70), 120)));
    }
    const now = this.now(value.tensor);
    const { min, max, nan, inf } = page.rec.tensors[now].summary;
    return el("li", { class: names }, el("button", {
      type: "button", class: nan || inf ? "tensor bad" : "tensor", "aria-pressed": String(page.tensor === now),
      onclick: () => page.pick(now),
    }, label, text(brief(page.rec, { tensor: now })),
    min == null ? null : el("span", { class: "range", text: `${num(min)} … ${num(max)}` })));
  }

  /** What the tensor that held a state holds at this moment. */
  now(state) {
    return state == null ? null : this.page.timeline.current(state, this.page.cursor.tick);
  }

  /** The tensor to show of itself: the newest one at this position, with a picture if one has it. */
  atHand(own, ended) {
    const { cursor, timeline, rec } = this.page;
    const values = own ? timeline.changed(cursor.position).map(([, value]) => value).reverse() : [];
    if (ended && cursor.call.result) values.unshift(cursor.call.result);
    const states = values.flatMap((value) => tensorsOf(value)).map((state) => this.now(state));
    return states.find((state) => rec.tensors[state].preview) ?? states[0];
  }
}
