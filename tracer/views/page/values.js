// Right, above: the arguments and locals of the call at hand; what is new stands out.
import { el, visible } from "./dom.js";
import { leaves, tensorsOf } from "./record.js";
import { brief, clip, num } from "./text.js";
import { reveal } from "./tree.js";

const MOST_PARTS = 24;

export class Values {
  constructor(page) {
    this.page = page;
    this.open = new Set();
    this.list = el("ul", { class: "values" });
    this.element = el("section", { class: "panel variables", "aria-label": page.say("values") }, this.list);
  }

  update() {
    const { page } = this;
    const { cursor, timeline } = page;
    const { call, position } = cursor;
    const own = cursor.selected === 0;
    const fresh = new Set(own ? timeline.changed(position).map(([name]) => name) : []);
    const rows = [];
    if (own && position.kind === "end" && call.error) rows.push(this.message("raises", call.error));
    if (own && position.kind === "end" && call.result) {
      rows.push(...this.entry(page.say("returns"), call.result, true, "result"));
    }
    for (const [name, value] of timeline.locals(call, cursor.tick)) {
      if (name === "self" && value.kind === "module" && page.rec.kind === "pass" && !fresh.has(name)) continue;
      rows.push(...this.entry(visible(name), value, fresh.has(name)));
    }
    this.list.replaceChildren(...(rows.length ? rows : [el("li", { class: "empty", text: page.say("nothing_here") })]));
    const [newest] = this.list.querySelectorAll(".fresh");
    if (newest) reveal(this.list, newest);
    if (page.automatic) page.tensor = this.atHand(position, own) ?? page.tensor ?? this.firstOf(call);
  }

  message(key, text) {
    return el("li", { class: "error" }, el("b", { text: this.page.say(key) }), " ", visible(text));
  }

  /** A row for a value, and rows for the parts of a list or dict with tensors. */
  entry(name, value, fresh, kind = "") {
    const parts = this.parts(value);
    const rows = [this.row(name, value, value.tensor, `${kind}${fresh ? " fresh" : ""}`)];
    for (const [path, leaf] of parts.slice(0, MOST_PARTS)) {
      rows.push(this.row(visible(path), leaf, leaf.tensor, "part"));
    }
    if (parts.length > MOST_PARTS) {
      const text = this.page.say("more", { n: parts.length - MOST_PARTS });
      rows.push(el("li", { class: "part" }, el("span", { class: "value", text: `… ${text}` })));
    }
    return rows;
  }

  /** The tensors in a value; of a module under construction the modules in it. */
  parts(value) {
    if (value.tensor != null) return [];
    if (value.kind === "module") {
      return this.page.rec.kind === "pass" ? [] : value.items.filter(([, item]) => item.kind === "module");
    }
    return [...leaves(value)].filter(([, leaf]) => leaf.tensor != null);
  }

  row(name, value, state, names) {
    const { page } = this;
    if (state == null) {
      const frozen = value.params?.[1] < value.params?.[0];
      return el("li", { class: names, title: frozen ? page.say("frozen") : null }, el("span", { class: "name", text: clip(name, 60) }),
        el("span", { class: "value", text: clip(brief(page.rec, value, 70), 120) }));
    }
    const now = page.current(state);
    const { summary } = page.rec.tensors[now];
    const range = summary.min == null ? "" : `${num(summary.min)} … ${num(summary.max)}`;
    const bad = (summary.nan || summary.inf) ? " bad" : "";
    return el("li", { class: names }, el("button", {
      type: "button", class: `tensor${bad}`, "aria-pressed": String(page.tensor === now),
      "data-state": now, onclick: () => page.pick(now),
    }, el("span", { class: "name", text: clip(name, 60) }),
    el("span", { class: "value", text: brief(page.rec, { tensor: now }) }),
    el("span", { class: "range", text: range })));
  }

  /** The tensor to show of itself: the newest one at this position. */
  atHand({ kind, call }, own) {
    const { page } = this;
    const values = [];
    if (own && kind === "end" && call.result) values.push(call.result);
    if (own) values.push(...page.timeline.changed(page.cursor.position).map(([, value]) => value).reverse());
    const states = values.flatMap((value) => tensorsOf(value)).map((state) => page.current(state));
    const pictured = states.find((state) => page.rec.tensors[state].preview);
    return pictured ?? states[0] ?? null;
  }

  firstOf(call) {
    const [state] = tensorsOf(call.args);
    return state == null ? null : this.page.current(state);
  }

  /** Show which tensor is at hand. */
  press() {
    for (const item of this.list.querySelectorAll("button.tensor")) {
      item.setAttribute("aria-pressed", String(Number(item.dataset.state) === this.page.tensor));
    }
  }
}
