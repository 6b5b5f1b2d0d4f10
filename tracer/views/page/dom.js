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
  element.append(...children.flat().filter((child) => child != null && child !== ""));
  return element;
}

/** A button with a text, a title and what it does. */
export function button(text, title, onclick, attributes = {}) {
  return el("button", { type: "button", text, title, "aria-label": title, onclick, ...attributes });
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

/** Let `draw(context, width, height)` paint a canvas in CSS pixels at the screen's resolution. */
export function paint(canvas, draw) {
  const scale = Math.min(globalThis.devicePixelRatio || 1, 2);
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  draw(context, width, height);
}

/** The value of a custom property of the page's style. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
