// Above: the stages of the pass as a map, to go to.
import { el, fill, put, svg } from "./dom.js";
import { cursor, go, rec, say, stageStyle, told } from "./page.js";

// What skips stages: C2–C4 go into the FPN, its levels into the RoI heads.
const EDGES = [["layer1", "fpn"], ["layer2", "fpn"], ["layer3", "fpn"], ["fpn", "roi_heads"]];
let element, scroller, list, edges, more;
let nodes; // by stage
let here; // the stage marked,
let centred; // and the one scrolled to

export function build() {
  nodes = new Map(rec.stages.map((stage) => [stage.name, node(stage)]));
  edges = svg("svg.edges", { "aria-hidden": true });
  list = el("ol", [...nodes.values()].map((it) => el("li", it)));
  scroller = el("div.stages", { onscroll: showMore }, edges, list);
  more = [-1, 1].map((by) => el("button.more", { hint: say("more_stages"), onclick: () => { scroller.scrollLeft += by * scroller.clientWidth * 0.7; } }, by < 0 ? "‹" : "›"));
  element = el("nav.map", { label: say("map") }, more[0], scroller, more[1]);
  new ResizeObserver(connect).observe(scroller);
  here = centred = null;
  return element;
}

function node({ name, calls }) {
  const [made, every] = rec.data.labels.stages[name];
  const title = [told()?.stages[name]?.[0] || name, every].join("\n").trim();
  return el("button.stage", { title, style: stageStyle(name), onclick: () => goto(calls) },
    el("b", name), el("span", made));
}

function goto(calls) {
  const starts = calls.map((id) => rec.calls[id].start);
  go(starts.find((tick) => tick > cursor.tick) ?? starts[0]);
}

export function update() {
  const { stage } = cursor.position.call;
  if (stage === here) return;
  here = stage;
  for (const [name, node] of nodes) put(node, { "aria-current": name === here ? "step" : null });
}

export function settle() {
  const node = here !== centred && nodes.get(here);
  if (node) scroller.scrollLeft = node.offsetLeft - (scroller.clientWidth - node.offsetWidth) / 2;
  centred = here;
}

// Whether there are stages beyond either end.
function showMore() {
  const { scrollLeft: left, scrollWidth, clientWidth } = scroller;
  [left > 2, left < scrollWidth - clientWidth - 2].forEach((is, i) => more[i].classList.toggle("there", is));
}

function connect() {
  showMore();
  put(edges, { width: list.scrollWidth });
  const ends = rec.kind === "pass" ? EDGES.map((edge) => edge.map((name) => nodes.get(name))) : [];
  fill(edges, ends.map(([from, to], i) => from && to && arc(from, to, i)));
}

function arc(from, to, i) {
  const x1 = from.offsetLeft + from.offsetWidth / 2;
  const x2 = to.offsetLeft + to.offsetWidth * (i === 3 ? 0.5 : 0.25 + i * 0.15);
  const y = from.offsetTop + from.offsetHeight;
  const low = y + (i === 3 ? 9 : 13 - 2 * i);
  return svg("path", { d: `M${x1},${y} C${x1},${low + 5} ${x1 + 10},${low} ${x1 + 22},${low} `
    + `L${x2 - 22},${low} C${x2 - 10},${low} ${x2},${low + 5} ${x2},${y}` });
}
