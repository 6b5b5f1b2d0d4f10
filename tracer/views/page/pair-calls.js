// Left: the calls of both recordings, each with what can be said of it; all of them, or those that differ.
import { arrange, clip, el, put, reveal, select } from "./dom.js";
import { local, panel, refresh, say, stageStyle } from "./page.js";
import { differing, go, goToPair, here, known, pairs } from "./together.js";

const folded = new Map(); // by hand, by pair
const rows = new Map();
let list, current;
let filter = "tree"; // tree, own, all

export const follows = () => filter === "all";

export const statusOf = ({ status, moved }) => [status, ...(moved && status !== "moved" ? ["moved"] : [])]
  .map((name) => local(known.statuses[name])).join(" · ");

export const mark = (pair) => el(`span.mark.is-${pair.status}`, statusOf(pair));

export function build() {
  rows.clear();
  const choices = ["tree", "own", "all"].map((name) => [name, say(`pair.calls_${name}`)]);
  const ops = el("input", { type: "checkbox", checked: here.ops, onchange: () => {
    here.ops = ops.checked;
    refresh();
  } });
  list = el("div.tree", { role: "tree", label: say("tree"), onclick: clicked, onkeydown: pressed });
  return panel("calls", "tree", el("div.bar", select(say("pair.calls_hint"), choices, filter, (chosen) => {
    filter = chosen;
    refresh();
  }), pairs.some(({ call }) => call.kind === "op") && el("label.check", { title: say("show_ops_hint") }, ops, say("show_ops"))), list);
}

const around = (pair) => (pair ? [pair, ...around(pair.around)] : []);

export function update() {
  const stack = around(here.step.pair);
  if (stack[0] !== current) for (const pair of stack) if (!folded.get(pair)) folded.delete(pair);
  [current] = stack;
  const isShown = (pair) => here.ops || pair.call.kind !== "op" || stack.includes(pair) || pair.id === known.first;
  const isOpen = (pair) => folded.get(pair) ?? stack.includes(pair);
  const unfolded = (some) => some.filter(isShown).flatMap((pair) => [pair, ...(isOpen(pair) ? unfolded(pair.children) : [])]);
  const isTree = filter === "tree";
  const found = isTree ? unfolded(pairs.filter((pair) => !pair.around)) : differing(filter === "all");
  arrange(list, found.length ? found.map((pair) => {
    const row = rowOf(pair);
    put(row, { style: { "--depth": isTree ? pair.depth : 0 }, "aria-selected": pair === current,
      "aria-level": isTree ? pair.depth + 1 : 1, "aria-expanded": isTree && pair.children.some(isShown) ? isOpen(pair) : null, tabindex: -1 });
    row.classList.toggle("around", stack.includes(pair));
    return row;
  }) : [el("p.nothing.quiet", say("pair.none"))]);
  list.classList.toggle("searched", !isTree);
  put(rows.get(current)?.isConnected ? rows.get(current) : list.firstElementChild, { tabindex: 0 });
}

export const settle = () => { reveal(list, rows.get(current)); };

function rowOf(pair) {
  if (!rows.has(pair)) {
    const { call, status } = pair;
    rows.set(pair, el(`div.row.${call.kind}.pair-${status}`, { role: "treeitem", "data-pair": pair.id, title: call.title, style: stageStyle(call.stage) },
      el("span.twisty", { "aria-hidden": true }), el("span.name", clip(call.own, 80)), call.nth > 0 && el("span.nth", `#${call.nth}`),
      el("span.path", clip(call.label, 80)), status !== "same" && mark(pair)));
  }
  return rows.get(pair);
}

const pairAt = (row) => pairs[Number(row.dataset.pair)];

function clicked({ target }) {
  const row = target.closest(".row");
  if (!row) return;
  const pair = pairAt(row);
  if (target.classList.contains("twisty") && row.hasAttribute("aria-expanded")) toggle(pair);
  else choose(pair);
}

function toggle(pair) {
  folded.set(pair, rows.get(pair).getAttribute("aria-expanded") !== "true");
  update();
  rows.get(pair).focus();
}

function choose(pair) {
  folded.set(pair, true);
  if (filter === "tree") go(pair.from);
  else goToPair(pair);
  rows.get(pair)?.focus();
}

const SIBLING = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" };

function pressed(event) {
  const { key, target } = event;
  const row = target.closest(".row");
  if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
  const isOpen = row.getAttribute("aria-expanded");
  if (key === "Enter") choose(pairAt(row));
  else if (SIBLING[key]) row[SIBLING[key]]?.focus();
  else if (isOpen === (key === "ArrowLeft" ? "true" : "false") && ["ArrowLeft", "ArrowRight"].includes(key)) toggle(pairAt(row));
  else if (key === "ArrowLeft") rows.get(pairAt(row).around)?.focus();
  else return;
  event.preventDefault();
  event.stopPropagation();
}
