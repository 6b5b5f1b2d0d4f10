// Pixels.
import { el } from "./dom.js";

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

// Dark to light in even steps of lightness: blue, teal, green, yellow; one pixel for each 8-bit value.
const STOPS = [[13, 16, 46], [38, 40, 105], [40, 82, 140], [34, 125, 142], [52, 165, 122], [133, 200, 79], [240, 226, 92], []];
const PIXELS = Uint32Array.from({ length: 256 }, (_, i) => {
  const at = (i / 255) * (STOPS.length - 2);
  const [from, to] = STOPS.slice(at, at + 2);
  const [r, g, b] = from.map((c, k) => Math.round(c + ((to[k] ?? c) - c) * (at % 1)));
  return new Uint32Array(Uint8Array.of(r, g, b, 255).buffer)[0];
});

/** A canvas with 8-bit values in colours, a pixel each; named, it is a picture to be looked at. */
export function mapped(values, width, height, label = null) {
  const canvas = el("canvas", { width, height, "aria-label": label, role: label && "img" });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  new Uint32Array(image.data.buffer).set(Uint32Array.from(values, (value) => PIXELS[value]));
  context.putImageData(image, 0, 0);
  return canvas;
}
