// Above: the stages of the pass as a map; the one at hand is marked, each can be gone to.
import { el, svg, visible } from "./dom.js";
import { brief } from "./text.js";

const EDGES = [["layer1", "fpn"], ["layer2", "fpn"], ["layer3", "fpn"], ["fpn", "roi_heads"]];

export class StageMap {
  constructor(page) {
    this.page = page;
    this.nodes = new Map();
    const items = page.rec.stages.map((stage) => el("li", {}, this.node(stage)));
    this.edges = svg("svg", { class: "edges", "aria-hidden": "true" });
    this.element = el("nav", { class: "map", "aria-label": page.say("map") }, this.edges, el("ol", {}, ...items));
    new ResizeObserver(() => this.connect()).observe(this.element);
  }

  node(stage) {
    const { page } = this;
    const title = page.rec.data.told?.languages[page.lang].stages[stage.name]?.[0] ?? -1;
    const call = page.rec.calls[stage.calls.at(-1)];
    const node = el("button", {
      type: "button", class: "stage", title: visible(title === -1 ? stage.name : title),
      style: page.stageStyle(stage.name), onclick: () => this.go(stage),
    }, el("b", { text: visible(stage.name) }), el("span", { text: this.shape(call) }));
    this.nodes.set(stage.name, node);
    return node;
  }

  /** The largest tensor that a stage made, without its batch. */
  shape(call) {
    const { rec } = this.page;
    if (!call.result) return "";
    const value = call.result;
    if (value.kind === "mapping" && value.items.length > 1) return `${value.items.length} × ${brief(rec, value.items[0][1])}`;
    if (value.tensor != null) return brief(rec, value);
    const tensors = value.items.flatMap(([, item]) => (item.tensor != null ? [item] : item.items.map(([, i]) => i)))
      .filter((item) => item.tensor != null);
    return tensors.length ? brief(rec, tensors[0]) : "";
  }

  /** To the stage's next call from here, or its first. */
  go(stage) {
    const starts = stage.calls.map((id) => this.page.rec.calls[id].start);
    this.page.go(starts.find((tick) => tick > this.page.cursor.tick) ?? starts[0]);
  }

  update() {
    const here = this.page.cursor.position.call.stage;
    for (const [name, node] of this.nodes) {
      if (name === here) node.setAttribute("aria-current", "step");
      else node.removeAttribute("aria-current");
    }
    const node = this.nodes.get(here);
    if (node && this.here !== here) {
      const bar = this.element;
      const left = node.offsetLeft - bar.clientWidth / 2 + node.offsetWidth / 2;
      if (bar.scrollWidth > bar.clientWidth) bar.scrollLeft = left;
    }
    this.here = here;
  }

  /** Draw the arcs that skip stages: C2–C4 into the FPN, its levels into the RoI heads. */
  connect() {
    const list = this.element.querySelector("ol");
    this.edges.setAttribute("width", list.scrollWidth);
    const edges = this.page.rec.kind === "pass" ? EDGES : [];
    const arcs = edges.map(([from, to]) => [this.nodes.get(from), this.nodes.get(to)])
      .filter(([a, b]) => a && b).map(([a, b], i) => this.arc(a, b, i));
    this.edges.replaceChildren(...arcs);
  }

  arc(from, to, i) {
    const x1 = from.offsetLeft + from.offsetWidth * 0.5;
    const x2 = to.offsetLeft + to.offsetWidth * (i === 3 ? 0.5 : 0.25 + i * 0.15);
    const y = from.offsetTop + from.offsetHeight;
    const low = y + 9 + (i === 3 ? 0 : 4 * (2 - i) * 0.5);
    return svg("path", { d: `M${x1},${y} C${x1},${low + 5} ${x1 + 10},${low} ${x1 + 22},${low} L${x2 - 22},${low} C${x2 - 10},${low} ${x2},${low + 5} ${x2},${y}` });
  }
}
