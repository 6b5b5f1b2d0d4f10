// Elements. Whatever comes from the recording is set as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

// Make an element: el("p.quiet", { id: "x", onclick: act }, "text", child, [children]). The attributes may
// be left out, and so is what is null, false or empty.
export const el = (tag, ...given) => filled(document.createElement(tag.split(".")[0]), tag, given);

export const svg = (tag, ...given) => filled(document.createElementNS(SVG, tag.split(".")[0]), tag, given);

function filled(element, tag, given) {
  const [, ...names] = tag.split(".");
  if (names.length) put(element, { class: names.join(" ") });
  if (given[0]?.constructor === Object) put(element, given.shift());
  return fill(element, given);
}

// Set attributes, or take them away where null or false; a `label` is for screen readers, a `hint` for all.
export function put(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    const isState = name.startsWith("aria-"); // true and false are words there
    if (name === "hint") put(element, { title: value, label: value });
    else if (name === "label") put(element, { "aria-label": value });
    else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value == null || (value === false && !isState)) element.removeAttribute(name);
    else element.setAttribute(name, value === true && !isState ? "" : visible(value));
  }
}

// Content: elements, texts, lists of them, or nothing.
export function fill(element, ...given) {
  const children = given.flat(Infinity).filter((child) => child != null && child !== false && child !== "");
  element.replaceChildren(...children.map((child) => (child instanceof Node ? child : visible(child))));
  return element;
}

export function select(hint, options, chosen, onchange) {
  return el("select", { hint, onchange: (event) => onchange(event.target.value) },
    options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
}

// Each row a term (a text or element, or several), and what is said of it.
export const terms = (names, rows) => el(`dl.${names}`, rows.map(([name, ...what]) => el("div", el("dt", name), el("dd", what))));

export const prose = (text) => text.split("`").map((part, i) => (i % 2 ? el("code", part) : part));

const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

// Control and direction marks as escapes, so that a name can neither hide nor turn around text.
export const visible = (text) => String(text).replace(UNSEEN, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

// Put rows into a list, leaving those alone that are in it already.
export function arrange(list, rows) {
  const wanted = new Set(rows);
  for (const row of [...list.children]) if (!wanted.has(row)) row.remove();
  rows.forEach((row, i) => { if (list.children[i] !== row) list.insertBefore(row, list.children[i]); });
}

export function reveal(list, row) {
  if (!row) return;
  const [outer, inner] = [list, row].map((it) => it.getBoundingClientRect());
  const margin = Math.min(60, outer.height / 4);
  if (inner.top < outer.top + margin || inner.bottom > outer.bottom - margin) {
    list.scrollTop += inner.top - outer.top - outer.height * 0.4;
  }
}

export const clip = (text, room) => text.length > room ? `${text.slice(0, room - 1)}…` : text;

// Let `draw(context, width, height)` paint in CSS pixels at the screen's resolution.
export function paint(canvas, draw) {
  const scale = Math.min(globalThis.devicePixelRatio || 1, 2);
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  draw(context, width, height);
}

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// The colours of values, dark to light.
const STOPS = colour("screen").split(",").map((stop) => stop.match(/\w\w/g).map((part) => Number.parseInt(part, 16)));
const PIXELS = Uint32Array.from({ length: 256 }, (_, i) => {
  const at = (i / 255) * (STOPS.length - 1);
  const [from, to = from] = STOPS.slice(at, at + 2);
  const [r, g, b] = from.map((c, k) => Math.round(c + (to[k] - c) * (at % 1)));
  return new Uint32Array(Uint8Array.of(r, g, b, 255).buffer)[0];
});

// 8-bit values in colours, a pixel each; named, it is a picture to be looked at.
export function mapped(values, width, height, label = null) {
  const canvas = el("canvas", { width, height, label, role: label && "img" });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  new Uint32Array(image.data.buffer).set(Uint32Array.from(values, (value) => PIXELS[value]));
  context.putImageData(image, 0, 0);
  return canvas;
}

// Bars side by side, each as tall as its part of 1.
export function drawBars(context, width, height, parts, inkOf) {
  const step = width / parts.length;
  parts.forEach((part, i) => {
    context.fillStyle = inkOf(i);
    context.fillRect(i * step, height - part * (height - 2), step > 3 ? step - 1 : step + 0.3, part * (height - 2));
  });
}
