// Left: the tree of calls by stage, foldable, with shapes; and the search over it.
import { arrange, el, reveal, visible } from "./dom.js";
import { glob } from "./stepper.js";
import { big, callName, clip, count, shapesMade } from "./text.js";

const MOST_FOUND = 300;

export class Tree {
  constructor(page) {
    this.page = page;
    this.folded = new Map(); // what was folded or unfolded by hand, by call
    this.rows = new Map(); // elements, by call
    this.wanted = "";
    this.search = el("input", {
      type: "search", id: "search", placeholder: page.say("search"), "aria-label": page.say("search_label"),
      spellcheck: "false", autocomplete: "off",
      oninput: () => this.find(this.search.value), onkeydown: (event) => this.searchKey(event),
    });
    const ops = el("input", { type: "checkbox", onchange: () => page.showOps(ops.checked) });
    ops.checked = page.cursor.ops;
    const hasOps = page.rec.calls.some((call) => call.kind === "op");
    this.status = el("span", { class: "quiet status", role: "status" });
    this.list = el("div", {
      class: "tree", role: "tree", "aria-label": page.say("tree"),
      onkeydown: (event) => this.treeKey(event), onclick: (event) => this.clicked(event),
    });
    this.element = page.panel("calls", "tree", el("div", { class: "bar" }, this.search, this.status,
      hasOps && el("label", { class: "check", title: page.say("show_ops_hint") }, ops, page.say("show_ops"))), this.list);
  }

  update() {
    const { cursor, timeline } = this.page;
    const { call } = cursor.position;
    this.around = new Set(timeline.stack(call));
    if (this.current !== call) for (const one of this.around) if (!this.folded.get(one)) this.folded.delete(one);
    this.current = call;
    this.draw();
  }

  draw() {
    const shown = this.wanted ? this.matching() : this.unfolded();
    arrange(this.list, shown.map(([call, depth]) => this.row(call, depth)));
    this.shown = shown.map(([call]) => call);
    const listed = new Set(this.shown);
    // The current call, or the innermost one around it that is listed.
    this.here = this.rows.get(this.page.timeline.stack(this.current).find((call) => listed.has(call)));
    this.letIn(this.here ?? this.list.firstElementChild);
  }

  settle() {
    if (this.here && !this.wanted) reveal(this.list, this.here);
  }

  /** One row of the tree is reached by the Tab key. */
  letIn(row) {
    this.entrance?.setAttribute("tabindex", "-1");
    this.entrance = row;
    row?.setAttribute("tabindex", "0");
  }

  /** Calls with their depth, as far as they are unfolded. */
  unfolded() {
    const found = [];
    const walk = (call, depth) => {
      found.push([call, depth]);
      if (this.isOpen(call)) for (const child of this.children(call)) walk(child, depth + 1);
    };
    for (const call of this.page.timeline.children(null)) walk(call, 0);
    return found;
  }

  isOpen(call) {
    return this.folded.get(call) ?? this.around.has(call);
  }

  children(call) {
    const all = this.page.timeline.children(call);
    return this.page.cursor.ops ? all : all.filter((c) => c.kind !== "op" || this.around.has(c));
  }

  row(call, depth) {
    if (!this.rows.has(call)) this.rows.set(call, this.makeRow(call));
    const row = this.rows.get(call);
    const folds = !this.wanted && this.children(call).length > 0;
    const look = [depth, folds && this.isOpen(call), folds, this.around.has(call), call === this.current].join();
    if (row.look === look) return row;
    row.look = look;
    row.style.setProperty("--depth", depth);
    row.setAttribute("aria-level", depth + 1);
    if (folds) row.setAttribute("aria-expanded", this.isOpen(call));
    else row.removeAttribute("aria-expanded");
    row.classList.toggle("around", this.around.has(call));
    row.setAttribute("aria-selected", call === this.current);
    return row;
  }

  makeRow(call) {
    const { page } = this;
    const [, owner, own] = /^(?:(.*)\.)?([^.]*)$/s.exec(callName(call));
    const type = call.kind !== "module" ? owner : call.path && visible(call.type);
    const [made = "", ...others] = shapesMade(page.rec, call);
    const span = (name, text) => text && el("span", { class: name, text });
    return el("div", {
      class: `row ${call.kind}${call.error ? " failed" : ""}`, role: "treeitem", "data-call": call.id, tabindex: "-1",
      title: `${call.kind} ${visible(call.label)}${call.macs ? `, ${big(call.macs)} MACs` : ""}`,
      style: page.stageStyle(call.stage),
    }, el("span", { class: "twisty", "aria-hidden": "true" }), span("name", clip(own, 80)),
    span("nth", call.nth && `#${call.nth}`), span("type", clip(type ?? "", 60)),
    span("made", others.length ? `${made} +${others.length}` : made));
  }

  callOf(row) {
    return this.page.rec.calls[Number(row.dataset.call)];
  }

  clicked(event) {
    const row = event.target.closest(".row");
    if (!row) return;
    if (event.target.classList.contains("twisty") && row.hasAttribute("aria-expanded")) this.toggle(this.callOf(row));
    else this.choose(this.callOf(row));
  }

  toggle(call, open = !this.isOpen(call)) {
    this.folded.set(call, open);
    this.draw();
    this.focus(call);
  }

  choose(call) {
    this.folded.set(call, true);
    this.page.go(call.start);
    this.focus(call);
  }

  focus(call) {
    const row = this.rows.get(call);
    if (!row?.isConnected) return;
    this.letIn(row);
    row.focus();
  }

  treeKey(event) {
    const row = event.target.closest(".row");
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const call = this.callOf(row);
    const at = this.shown.indexOf(call);
    const folds = this.children(call).length > 0;
    const moves = {
      ArrowDown: () => this.focus(this.shown[at + 1]),
      ArrowUp: () => this.focus(this.shown[at - 1]),
      ArrowRight: () => (folds && !this.isOpen(call) ? this.toggle(call, true) : this.focus(this.shown[at + 1])),
      ArrowLeft: () => (folds && this.isOpen(call) ? this.toggle(call, false) : this.focus(this.page.rec.calls[call.parent])),
      Enter: () => this.choose(call),
    };
    if (!Object.hasOwn(moves, event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    moves[event.key]();
  }

  // --- search ---

  find(text) {
    this.wanted = text.trim();
    this.draw();
    this.status.textContent = this.wanted && this.page.say(this.found ? "found" : "found_none", { n: count(this.found) });
  }

  searchKey(event) {
    if (event.key === "Escape") {
      this.search.value = "";
      this.find("");
      this.search.blur();
    } else if (event.key === "Enter" && this.shown.length && this.wanted) {
      this.choose(this.shown[0]);
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      this.focus(this.shown[0]);
    }
  }

  matching() {
    const test = matcher(this.wanted);
    const { rec, cursor } = this.page;
    const found = rec.calls.filter((c) => (cursor.ops || c.kind !== "op") && test(rec, c));
    this.found = found.length;
    return found.slice(0, MOST_FOUND).map((call) => [call, 0]);
  }
}

/** A test of calls: by path, class or function; of something like 256x*x* by the shapes made. */
export function matcher(text) {
  const folded = text.toLowerCase();
  if (/^[\d*?×x]+$/.test(folded) && /[x×]/.test(folded)) {
    const pattern = folded.replace(/[×x]/g, "×").replace(/[*?]+/g, "\\d+");
    const test = new RegExp(`^(?:\\d+×)*${pattern}(?:×\\d+)*$`);
    return (rec, call) => shapesMade(rec, call).some((shape) => test.test(shape));
  }
  const wild = /[*?]/.test(folded) ? glob(`*${folded}*`) : null;
  return (rec, call) => {
    const name = `${call.label} ${call.type}`.toLowerCase();
    return wild ? wild.test(name) : name.includes(folded);
  };
}
