// What parts two panes: drag it, or move it by the arrow keys; a double click puts it back. Where it
// stands is a length that the style takes, kept on the page's root as long as the page is open.
import { el, put } from "./dom.js";
import { root, say } from "./page.js";

const HALF = 4; // pixels: of what is dragged
const STEP = 0.03;
const KEYS = { ArrowLeft: -STEP, ArrowUp: -STEP, ArrowRight: STEP, ArrowDown: STEP };

// Beside the pane that it sizes, which is before it or, `after`, behind it.
export function divider(name, isColumn, after = false) {
  const [start, extent, pointer] = isColumn ? ["left", "width", "clientX"] : ["top", "height", "clientY"];
  const bar = el("div.divider", { role: "separator", tabindex: "0", label: say("resize"), title: say("resize"),
    "aria-orientation": isColumn ? "vertical" : "horizontal", "aria-valuenow": 50,
    onpointerdown: ({ pointerId }) => bar.setPointerCapture(pointerId),
    onpointermove: (event) => bar.hasPointerCapture(event.pointerId) && place(event[pointer] - HALF, 0),
    ondblclick: () => root.style.removeProperty(`--${name}`),
    onkeydown: (event) => {
      if (!KEYS[event.key]) return;
      event.preventDefault();
      event.stopPropagation();
      place(bar.getBoundingClientRect()[start], KEYS[event.key]);
    } });
  const place = (edge, by) => {
    const around = bar.parentNode.getBoundingClientRect();
    const share = Math.min(Math.max((edge - around[start]) / around[extent] + by, 0.1), 0.85);
    put(bar, { "aria-valuenow": Math.round(100 * share) });
    root.style.setProperty(`--${name}`, `${100 * (after ? 1 - share - 2 * HALF / around[extent] : share)}%`);
  };
  return bar;
}
