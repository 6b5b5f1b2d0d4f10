// Above: the stages of the pass as a map; the one at hand is marked, each can be gone to.
import { el, fill, svg, View } from "./dom.js";
import { brief } from "./text.js";

// What skips stages: C2–C4 go into the FPN, its levels into the RoI heads.
const EDGES = [["layer1", "fpn"], ["layer2", "fpn"], ["layer3", "fpn"], ["fpn", "roi_heads"]];

export class StageMap extends View {
  constructor(page) {
    super(page);
    this.nodes = new Map(this.rec.stages.map((stage) => [stage.name, this.node(stage)]));
    this.edges = svg("svg.edges", { "aria-hidden": "true" });
    this.list = el("ol", [...this.nodes.values()].map((node) => el("li", node)));
    this.element = el("nav.map", { label: this.say("map") }, this.edges, this.list);
    new ResizeObserver(() => this.connect()).observe(this.element);
  }

  node({ name, calls }) {
    const title = this.page.told?.stages[name]?.[0] || name;
    return el("button.stage", { title, style: this.page.stageStyle(name), onclick: () => this.go(calls) },
      el("b", name), el("span", this.made(this.rec.calls[calls.at(-1)].result)));
  }

  /** What a stage made, in a few words: how many levels, or its first tensor. */
  made(value) {
    const items = (it) => (it?.items ?? []).map(([, item]) => item);
    const [first, ...others] = items(value);
    if (value?.kind === "mapping" && others.length) return `${others.length + 1} × ${brief(this.rec, first)}`;
    const near = [value, ...items(value).flatMap((item) => [item, ...items(item)])];
    return brief(this.rec, near.find((it) => it?.tensor != null));
  }

  /** To the stage's next call from here, or its first. */
  go(calls) {
    const starts = calls.map((id) => this.rec.calls[id].start);
    this.page.go(starts.find((tick) => tick > this.cursor.tick) ?? starts[0]);
  }

  update() {
    const { stage } = this.cursor.position.call;
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
    const ends = this.rec.kind === "pass" ? EDGES.map((edge) => edge.map((name) => this.nodes.get(name))) : [];
    fill(this.edges, ends.map(([from, to], i) => from && to && arc(from, to, i)));
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
