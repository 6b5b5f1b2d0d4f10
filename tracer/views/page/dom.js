// Elements. Whatever comes from the recording is set as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: attributes, `class`, `text`, and handlers as onclick and the like. */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value == null || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name === "style") for (const [k, v] of Object.entries(value)) element.style.setProperty(k, v);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter(Boolean));
  return element;
}

/** A button with a text, a title and what it does. */
export function button(text, title, onclick, attributes = {}) {
  return el("button", { type: "button", text, title, "aria-label": title, onclick, ...attributes });
}

/** A choice among [value, text] pairs. */
export function select(label, options, onchange) {
  return el("select", { "aria-label": label, title: label, onchange: (event) => onchange(event.target.value) },
    ...options.map(([value, text]) => el("option", { value, text })));
}

/** A list of terms: the term (one text or element, or several), and what is said of it. */
export function terms(names, rows) {
  return el("dl", { class: names }, ...rows.map(([name, ...what]) => el("div", {},
    el("dt", {}, ...[name].flat()), el("dd", {}, ...what))));
}

/** Paragraph text in which `code` stands between backquotes. */
export function prose(text) {
  return text.split("`").map((part, i) => (i % 2 ? el("code", { text: visible(part) }) : visible(part)));
}

const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Control and direction marks as escapes, so that a name can neither hide nor turn around text. */
export function visible(text) {
  return text.replace(UNSEEN, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Put rows into a list, leaving those alone that are in it already. */
export function arrange(list, rows) {
  const wanted = new Set(rows);
  for (const row of [...list.children]) if (!wanted.has(row)) row.remove();
  let at = list.firstChild;
  for (const row of rows) {
    if (row === at) at = at.nextSibling;
    else list.insertBefore(row, at);
  }
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
