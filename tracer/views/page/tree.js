// Left: the tree of calls by stage, foldable, with shapes; and the search over it.
import { arrange, el, reveal, View } from "./dom.js";
import { glob } from "./stepper.js";
import { big, callName, clip, count, shapesMade } from "./text.js";

const MOST_FOUND = 300;

export class Tree extends View {
  constructor(page) {
    super(page);
    const { say } = this;
    this.folded = new Map(); // what was folded or unfolded by hand, by call
    this.rows = new Map(); // elements, by call
    this.wanted = "";
    this.search = el("input", {
      type: "search", id: "search", placeholder: say("search"), label: say("search_label"), spellcheck: "false",
      autocomplete: "off", oninput: () => this.find(this.search.value), onkeydown: (event) => this.searchKey(event),
    });
    const ops = el("input", { type: "checkbox", checked: this.cursor.ops, onchange: () => page.showOps(ops.checked) });
    const hasOps = this.rec.calls.some((call) => call.kind === "op");
    this.status = el("span.quiet.status", { role: "status" });
    this.list = el("div.tree", {
      role: "tree", label: say("tree"), onkeydown: (event) => this.treeKey(event), onclick: (event) => this.clicked(event),
    });
    this.element = this.panel("calls", "tree", el("div.bar", this.search, this.status,
      hasOps && el("label.check", { title: say("show_ops_hint") }, ops, say("show_ops"))), this.list);
  }

  update() {
    const { call } = this.cursor.position;
    this.around = new Set(this.timeline.stack(call));
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
    this.here = this.rows.get(this.timeline.stack(this.current).find((call) => listed.has(call)));
    this.letIn(this.here ?? this.list.firstElementChild);
  }

  settle() {
    if (!this.wanted) reveal(this.list, this.here);
  }

  /** One row of the tree is reached by the Tab key. */
  letIn(row) {
    this.entrance?.setAttribute("tabindex", "-1");
    this.entrance = row;
    row?.setAttribute("tabindex", "0");
  }

  /** Calls with their depth, as far as they are unfolded. */
  unfolded(call = null, depth = -1) {
    const within = !call || this.isOpen(call) ? this.children(call).flatMap((child) => this.unfolded(child, depth + 1)) : [];
    return call ? [[call, depth], ...within] : within;
  }

  isOpen(call) {
    return this.folded.get(call) ?? this.around.has(call);
  }

  children(call) {
    const all = this.timeline.children(call);
    return this.cursor.ops ? all : all.filter((c) => c.kind !== "op" || this.around.has(c));
  }

  folds(call) {
    return this.children(call).length > 0;
  }

  row(call, depth) {
    if (!this.rows.has(call)) this.rows.set(call, this.makeRow(call));
    const row = this.rows.get(call);
    const around = this.around.has(call);
    const open = !this.wanted && this.folds(call) ? this.isOpen(call) : null;
    const look = [depth, open, around, call === this.current].join();
    if (row.look === look) return row;
    row.look = look;
    row.style.setProperty("--depth", depth);
    row.setAttribute("aria-level", depth + 1);
    row.setAttribute("aria-selected", call === this.current);
    row.classList.toggle("around", around);
    if (open == null) row.removeAttribute("aria-expanded");
    else row.setAttribute("aria-expanded", open);
    return row;
  }

  makeRow(call) {
    const [, owner, own] = /^(?:(.*)\.)?([^.]*)$/s.exec(callName(call));
    const type = call.kind !== "module" ? owner : call.path && call.type;
    const [made = "", ...others] = shapesMade(this.rec, call);
    const span = (name, text) => text && el(`span.${name}`, text);
    return el(`div.row.${call.kind}${call.error ? ".failed" : ""}`, {
      role: "treeitem", "data-call": call.id, tabindex: "-1", style: this.page.stageStyle(call.stage),
      title: `${call.kind} ${call.label}${call.macs ? `, ${big(call.macs)} MACs` : ""}`,
    }, el("span.twisty", { "aria-hidden": "true" }), span("name", clip(own, 80)),
    call.nth > 0 && span("nth", `#${call.nth}`), span("type", clip(type ?? "", 60)),
    span("made", others.length ? `${made} +${others.length}` : made));
  }

  callOf(row) {
    return this.rec.calls[Number(row.dataset.call)];
  }

  clicked({ target }) {
    const row = target.closest(".row");
    if (!row) return;
    if (target.classList.contains("twisty") && row.hasAttribute("aria-expanded")) this.toggle(this.callOf(row));
    else this.choose(this.callOf(row));
  }

  toggle(call) {
    this.folded.set(call, !this.isOpen(call));
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
    const beside = (by) => this.focus(this.shown[this.shown.indexOf(call) + by]);
    const isOpen = this.isOpen(call);
    const moves = {
      ArrowDown: () => beside(1),
      ArrowUp: () => beside(-1),
      ArrowRight: () => (this.folds(call) && !isOpen ? this.toggle(call) : beside(1)),
      ArrowLeft: () => (this.folds(call) && isOpen ? this.toggle(call) : this.focus(this.rec.calls[call.parent])),
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
    this.status.textContent = this.wanted && this.say(this.found ? "found" : "found_none", { n: count(this.found) });
  }

  searchKey(event) {
    const first = this.shown[0];
    if (event.key === "Escape") {
      this.search.value = "";
      this.find("");
      this.search.blur();
    } else if (event.key === "Enter" && first && this.wanted) {
      this.choose(first);
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      this.focus(first);
    }
  }

  matching() {
    const test = matcher(this.wanted);
    const found = this.rec.calls.filter((call) => (this.cursor.ops || call.kind !== "op") && test(this.rec, call));
    this.found = found.length;
    return found.slice(0, MOST_FOUND).map((call) => [call, 0]);
  }
}

/** A test of calls: by path, class or function; of something like 256x*x* by the shapes made. */
function matcher(text) {
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
