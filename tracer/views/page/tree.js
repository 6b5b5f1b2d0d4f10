// Left: the tree of calls by stage, foldable, with shapes; and the search over it.
import { el, visible } from "./dom.js";
import { glob } from "./stepper.js";
import { big, clip, count, made, nameParts, shapesMade } from "./text.js";

const MOST_FOUND = 300;

export class Tree {
  constructor(page) {
    this.page = page;
    this.opened = new Set();
    this.closed = new Set();
    this.rows = new Map(); // elements by call
    this.wanted = "";
    this.search = el("input", {
      type: "search", id: "search", placeholder: page.say("search"), spellcheck: "false",
      "aria-label": page.say("search_label"), autocomplete: "off",
      oninput: () => this.find(this.search.value), onkeydown: (event) => this.searchKey(event),
    });
    this.ops = el("input", { type: "checkbox", onchange: () => page.showOps(this.ops.checked) });
    this.ops.checked = page.cursor.ops;
    const hasOps = page.rec.calls.some((call) => call.kind === "op");
    this.status = el("span", { class: "status", role: "status" });
    this.list = el("div", {
      class: "tree", role: "tree", "aria-label": page.say("tree"),
      onkeydown: (event) => this.treeKey(event), onclick: (event) => this.clicked(event),
    });
    this.element = el("section", { class: "panel calls", "aria-label": page.say("tree") },
      el("div", { class: "bar" }, this.search, this.status, hasOps
        ? el("label", { class: "check", title: page.say("show_ops_hint") }, this.ops, page.say("show_ops"))
        : null),
      this.list);
  }

  update() {
    const { cursor, timeline } = this.page;
    const { call } = cursor.position;
    this.around = new Set(timeline.stack(call).map((c) => c.id));
    if (this.current !== call) {
      for (const id of this.around) this.closed.delete(id);
      this.current = call;
    }
    this.draw();
  }

  draw() {
    const shown = this.wanted ? this.matching() : this.unfolded();
    const rows = shown.map(([call, depth]) => this.row(call, depth));
    const same = rows.length === this.list.children.length && rows.every((row, i) => row === this.list.children[i]);
    if (!same) this.list.replaceChildren(...rows);
    this.shown = shown.map(([call]) => call);
    const here = this.rows.get(this.visibleCurrent());
    this.list.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    (here?.isConnected ? here : this.list.firstElementChild)?.setAttribute("tabindex", "0");
    if (here?.isConnected && !this.wanted) reveal(this.list, here);
  }

  /** The current call, or the innermost one around it that is listed. */
  visibleCurrent() {
    const listed = new Set(this.shown.map((call) => call.id));
    return this.page.timeline.stack(this.current).find((call) => listed.has(call.id))?.id;
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
    if (this.closed.has(call.id)) return false;
    return this.opened.has(call.id) || this.around.has(call.id);
  }

  children(call) {
    const all = this.page.timeline.children(call);
    return this.page.cursor.ops ? all : all.filter((c) => c.kind !== "op" || this.around?.has(c.id));
  }

  row(call, depth) {
    if (!this.rows.has(call.id)) this.rows.set(call.id, this.makeRow(call));
    const row = this.rows.get(call.id);
    const folds = !this.wanted && this.children(call).length > 0;
    const level = this.wanted ? 0 : depth;
    const look = `${level} ${folds && this.isOpen(call)} ${folds} ${this.around.has(call.id)} ${call === this.current}`;
    if (row.look === look) return row;
    row.look = look;
    row.style.setProperty("--depth", level);
    row.setAttribute("aria-level", level + 1);
    if (folds) row.setAttribute("aria-expanded", this.isOpen(call));
    else row.removeAttribute("aria-expanded");
    row.classList.toggle("around", this.around.has(call.id));
    row.setAttribute("aria-selected", call === this.current);
    return row;
  }

  makeRow(call) {
    const { page } = this;
    const [short, kind] = nameParts(call);
    const stats = call.macs ? `, ${big(call.macs)} MACs` : "";
    return el("div", {
      class: `row ${call.kind}${call.error ? " failed" : ""}`, role: "treeitem", "data-call": call.id,
      title: `${call.kind} ${visible(call.label)}${stats}`, style: page.stageStyle(call.stage), tabindex: "-1",
    }, el("span", { class: "twisty", "aria-hidden": "true" }),
    el("span", { class: "name", text: clip(short, 80) }),
    call.nth ? el("span", { class: "nth", text: `#${call.nth}` }) : null,
    kind ? el("span", { class: "type", text: clip(kind, 60) }) : null,
    el("span", { class: "made", text: made(page.rec, call) }));
  }

  clicked(event) {
    const row = event.target.closest(".row");
    if (!row) return;
    const call = this.page.rec.calls[Number(row.dataset.call)];
    if (event.target.classList.contains("twisty") && row.hasAttribute("aria-expanded")) this.toggle(call);
    else this.choose(call);
  }

  toggle(call, open = !this.isOpen(call)) {
    (open ? this.opened : this.closed).add(call.id);
    (open ? this.closed : this.opened).delete(call.id);
    this.draw();
    this.rows.get(call.id).focus();
  }

  choose(call) {
    this.opened.add(call.id);
    this.page.go(call.start);
    this.rows.get(call.id)?.focus();
  }

  treeKey(event) {
    const row = event.target.closest(".row");
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const call = this.page.rec.calls[Number(row.dataset.call)];
    const at = this.shown.indexOf(call);
    const moves = {
      ArrowDown: () => this.focus(at + 1),
      ArrowUp: () => this.focus(at - 1),
      ArrowRight: () => (this.isOpen(call) ? this.focus(at + 1) : this.toggle(call, true)),
      ArrowLeft: () => (this.isOpen(call) && this.children(call).length
        ? this.toggle(call, false) : this.focusCall(call.parent)),
      Enter: () => this.choose(call),
    };
    if (!Object.hasOwn(moves, event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    moves[event.key]();
  }

  focus(index) {
    const call = this.shown[Math.max(0, Math.min(index, this.shown.length - 1))];
    if (call) this.focusCall(call.id);
  }

  focusCall(id) {
    const row = this.rows.get(id);
    if (!row?.isConnected) return;
    this.list.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    row.setAttribute("tabindex", "0");
    row.focus();
  }

  // --- search ---

  find(text) {
    this.wanted = text.trim();
    this.draw();
    const n = this.found ?? 0;
    this.status.textContent = this.wanted
      ? this.page.say(n ? "found" : "found_none", { n: count(n) }) : "";
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
      this.focus(0);
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
  const shape = /^[\d*?×x]+$/.test(folded) && /[x×]/.test(folded);
  if (shape) {
    const pattern = folded.replace(/[×x]/g, "x").replace(/[*?]+/g, "\\d+");
    const test = new RegExp(`^(?:\\d+x)*${pattern}(?:x\\d+)*$`);
    return (rec, call) => shapesMade(rec, call).some((text) => test.test(text.replaceAll("×", "x")));
  }
  const wild = /[*?]/.test(folded) ? glob(`*${folded}*`) : null;
  return (rec, call) => {
    const name = `${call.label} ${call.type}`.toLowerCase();
    return wild ? wild.test(name) : name.includes(folded);
  };
}

/** Scroll a list so that a row of it is in sight. */
export function reveal(list, row) {
  const outer = list.getBoundingClientRect();
  const inner = row.getBoundingClientRect();
  const margin = Math.min(60, outer.height / 4);
  if (inner.top < outer.top + margin || inner.bottom > outer.bottom - margin) {
    list.scrollTop += inner.top - outer.top - outer.height * 0.4;
  }
}

