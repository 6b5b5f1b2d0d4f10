// Above: the stages of the pass as a map; the one at hand is marked, each can be gone to.
import { el, svg, visible } from "./dom.js";
import { brief } from "./text.js";

// What skips stages: C2–C4 go into the FPN, its levels into the RoI heads.
const EDGES = [["layer1", "fpn"], ["layer2", "fpn"], ["layer3", "fpn"], ["fpn", "roi_heads"]];

export class StageMap {
  constructor(page) {
    this.page = page;
    this.nodes = new Map(page.rec.stages.map((stage) => [stage.name, this.node(stage)]));
    this.edges = svg("svg", { class: "edges", "aria-hidden": "true" });
    this.list = el("ol", {}, ...[...this.nodes.values()].map((node) => el("li", {}, node)));
    this.element = el("nav", { class: "map", "aria-label": page.say("map") }, this.edges, this.list);
    new ResizeObserver(() => this.connect()).observe(this.element);
  }

  node({ name, calls }) {
    const { page } = this;
    const title = page.rec.data.told?.languages[page.lang].stages[name]?.[0];
    return el("button", {
      type: "button", class: "stage", title: visible(title || name), style: page.stageStyle(name),
      onclick: () => this.go(calls),
    }, el("b", { text: visible(name) }), el("span", { text: this.made(page.rec.calls[calls.at(-1)].result) }));
  }

  /** What a stage made, in a few words: how many levels, or its first tensor. */
  made(value) {
    const { rec } = this.page;
    if (!value) return "";
    if (value.kind === "mapping" && value.items.length > 1) return `${value.items.length} × ${brief(rec, value.items[0][1])}`;
    const near = [value, ...value.items.flatMap(([, item]) => [item, ...item.items.map(([, part]) => part)])];
    const tensor = near.find((item) => item.tensor != null);
    return tensor ? brief(rec, tensor) : "";
  }

  /** To the stage's next call from here, or its first. */
  go(calls) {
    const starts = calls.map((id) => this.page.rec.calls[id].start);
    this.page.go(starts.find((tick) => tick > this.page.cursor.tick) ?? starts[0]);
  }

  update() {
    const { stage } = this.page.cursor.position.call;
    this.moved = this.here !== stage;
    if (!this.moved) return;
    this.nodes.get(this.here)?.removeAttribute("aria-current");
    this.nodes.get(stage)?.setAttribute("aria-current", "step");
    this.here = stage;
  }

  settle() {
    const node = this.moved && this.nodes.get(this.here);
    if (node) this.element.scrollLeft = node.offsetLeft - (this.element.clientWidth - node.offsetWidth) / 2;
  }

  connect() {
    this.edges.setAttribute("width", this.list.scrollWidth);
    const ends = this.page.rec.kind === "pass" ? EDGES.map((edge) => edge.map((name) => this.nodes.get(name))) : [];
    this.edges.replaceChildren(...ends.map(([from, to], i) => from && to && arc(from, to, i)).filter(Boolean));
  }
}

function arc(from, to, i) {
  const x1 = from.offsetLeft + from.offsetWidth / 2;
  const x2 = to.offsetLeft + to.offsetWidth * (i === 3 ? 0.5 : 0.25 + i * 0.15);
  const y = from.offsetTop + from.offsetHeight;
  const low = y + (i === 3 ? 9 : 13 - 2 * i);
  const d = `M${x1},${y} C${x1},${low + 5} ${x1 + 10},${low} ${x1 + 22},${low} `
    + `L${x2 - 22},${low} C${x2 - 10},${low} ${x2},${low + 5} ${x2},${y}`;
  return svg("path", { d });
}
