// Left: the tree of calls by stage, foldable, with shapes; and the search over it.
import { arrange, clip, el, put, reveal } from "./dom.js";
import { count } from "./numbers.js";
import { cursor, go, panel, rec, refresh, say, stageStyle } from "./page.js";
import { inCode, inCommentary } from "./search.js";
import { glob, stackOf } from "./stepper.js";

const MOST_FOUND = 300;
const MOST_HITS = 20; // of each group
const roots = rec.calls.filter(({ around }) => !around);
const folded = new Map(); // what was folded or unfolded by hand, by call
const rows = new Map(); // elements, by call
let search, status, list;
let listed; // the rows shown
let around; // the call at hand and those around it
let here; // the row at hand
let entrance; // the row that the Tab key reaches

export function build() {
  rows.clear();
  search = el("input", { type: "search", id: "search", placeholder: say("search"), label: say("search_label"),
    spellcheck: "false", autocomplete: "off", oninput: show, onkeydown: searchKey });
  const ops = el("input", { type: "checkbox", checked: cursor.ops, onchange: () => {
    cursor.ops = ops.checked;
    refresh();
  } });
  status = el("span.quiet.status", { role: "status" });
  list = el("div.tree", { role: "tree", label: say("tree"), onkeydown: treeKey, onclick: clicked });
  return panel("calls", "tree", el("div.bar", search, status, rec.calls.some(({ kind }) => kind === "op")
    && el("label.check", { title: say("show_ops_hint") }, ops, say("show_ops"))), list);
}

export function update() {
  const stack = stackOf(cursor.position.call);
  // What was folded by hand around another call unfolds around this one.
  if (stack[0] !== around?.[0]) for (const call of stack) if (!folded.get(call)) folded.delete(call);
  around = stack;
  show();
}

export function settle() {
  if (!search.value) reveal(list, here);
}

function show() {
  const wanted = search.value.trim().toLowerCase();
  const found = wanted ? matching(wanted) : unfolded(roots, 0);
  const hits = wanted ? [["commentary", inCommentary(wanted)], ["source", inCode(wanted)]].filter(([, all]) => all.length) : [];
  list.classList.toggle("searched", Boolean(wanted));
  const most = hits.length ? MOST_HITS : MOST_FOUND; // so that none of the groups is buried
  listed = found.slice(0, wanted ? most : undefined).map(([call, depth]) => row(call, depth));
  const heading = (key, all) => el("p.kind.quiet", { role: "none" }, `${say(key)} · ${all.length > MOST_HITS ? `${MOST_HITS}/` : ""}${count(all.length)}`);
  const rest = hits.flatMap(([key, all]) => [heading(key, all), ...all.slice(0, MOST_HITS).map(hitRow)]);
  arrange(list, [hits.length && found.length && heading("tree", found), ...listed, ...rest].filter(Boolean));
  listed.push(...rest.filter(({ dataset }) => dataset.tick));
  const all = found.length + hits.reduce((sum, [, some]) => sum + some.length, 0);
  status.textContent = wanted && say(all ? "found" : "found_none", { n: count(all) });
  // The call at hand, or the innermost one around it that is listed.
  here = rows.get(around.find((call) => rows.get(call)?.isConnected));
  letIn(here ?? list.firstElementChild);
}

// One row of the tree is reached by the Tab key.
function letIn(row) {
  if (entrance) put(entrance, { tabindex: -1 });
  entrance = row;
  if (row) put(row, { tabindex: 0 });
}

function unfolded(calls, depth) {
  return calls.filter(isShown).flatMap((call) => [[call, depth], ...(isOpen(call) ? unfolded(call.children, depth + 1) : [])]);
}

const isShown = (call) => cursor.ops || call.kind !== "op" || around.includes(call);

const isOpen = (call) => folded.get(call) ?? around.includes(call);

const folds = (call) => call.children.some(isShown);

function row(call, depth) {
  if (!rows.has(call)) rows.set(call, makeRow(call));
  const element = rows.get(call);
  put(element, { style: { "--depth": depth }, "aria-level": depth + 1, "aria-selected": call === around[0],
    "aria-expanded": !search.value && folds(call) ? isOpen(call) : null });
  element.classList.toggle("around", around.includes(call));
  return element;
}

function makeRow(call) {
  const span = (name, text) => text && el(`span.${name}`, text);
  return el(`div.row.${call.kind}${call.error ? ".failed" : ""}`, {
    role: "treeitem", "data-call": call.id, tabindex: "-1", style: stageStyle(call.stage), title: call.title,
  }, el("span.twisty", { "aria-hidden": true }), span("name", clip(call.own, 80)),
  span("nth", call.nth > 0 && `#${call.nth}`), span("path", clip(placeOf(call), 80)), span("type", clip(call.owner, 60)),
  span("made", call.made));
}

const hitRow = ({ words, place, tick }) => el("div.row.hit", { role: "treeitem", "data-tick": tick, tabindex: "-1", "aria-level": 1, title: words },
  el("span.words", words), el("span.quiet", place));

// Where a call is found: a module's path but for its name, a function's caller.
const placeOf = ({ kind, path, own, around }) => (kind === "module" ? path.slice(0, -own.length) : around ? `in ${around.short}` : "");

const callOf = (row) => rec.calls[Number(row.dataset.call)];

function clicked({ target }) {
  const row = target.closest(".row");
  if (!row) return;
  if (target.classList.contains("twisty") && row.hasAttribute("aria-expanded")) toggle(callOf(row));
  else choose(row);
}

function toggle(call) {
  folded.set(call, !isOpen(call));
  show();
  focus(call);
}

function choose(row) {
  const call = callOf(row);
  if (call) folded.set(call, true);
  go(Number(call?.start ?? row.dataset.tick));
  reach(call ? rows.get(call) : listed.find(({ dataset }) => dataset.tick === row.dataset.tick && dataset.call === row.dataset.call));
}

const focus = (call) => reach(rows.get(call));

function reach(row) {
  if (!row?.isConnected) return;
  letIn(row);
  row.focus();
}

const BESIDE = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1 };

function treeKey(event) {
  const { key } = event;
  const row = event.target.closest(".row");
  if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
  const call = callOf(row);
  if (key === "Enter") choose(row);
  else if (call && folds(call) && key === (isOpen(call) ? "ArrowLeft" : "ArrowRight")) toggle(call);
  else if (key === "ArrowLeft") focus(call?.around);
  else if (BESIDE[key]) reach(listed[listed.indexOf(row) + BESIDE[key]]);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

export const focusSearch = () => { search.focus(); };

function searchKey(event) {
  if (event.key === "Escape") {
    search.value = "";
    show();
    search.blur();
  } else if (event.key === "Enter" && search.value && listed.length) {
    choose(listed[0]);
  } else if (event.key === "ArrowDown") {
    event.preventDefault();
    reach(listed[0]);
  }
}

function matching(wanted) {
  const fits = matcher(wanted);
  return rec.calls.filter((call) => (cursor.ops || call.kind !== "op") && fits(call)).map((call) => [call, 0]);
}

// By path, class or function; something like 256x*x* by the shapes made.
function matcher(text) {
  if (/^[\d*?×x]+$/.test(text) && /[x×]/.test(text)) {
    const pattern = text.replace(/×/g, "x").replace(/[*?]+/g, "\\d+");
    const test = new RegExp(`^(?:\\d+x)*${pattern}(?:x\\d+)*$`);
    return ({ shapes }) => shapes.some((shape) => test.test(shape));
  }
  const test = /[*?]/.test(text) ? glob(`*${text}*`) : { test: (name) => name.includes(text) };
  return ({ label, type }) => test.test(`${label} ${type}`.toLowerCase());
}
