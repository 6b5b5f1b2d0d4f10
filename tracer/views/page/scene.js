// Right, below: what the pass did on the picture. Boxes are in pixels of the resized image.
import { button, colour, el, paint } from "./dom.js";
import { anchorsKind } from "./scene-anchors.js";
import { detectionsKind, levelsKind, proposalsKind } from "./scene-boxes.js";
import { alignKind, mergesKind, overlayKind } from "./scene-maps.js";

const KINDS_DRAWN = [overlayKind, mergesKind, anchorsKind, proposalsKind, levelsKind, alignKind, detectionsKind];

export class PictureView {
  constructor(page) {
    this.page = page;
    this.data = page.rec.data.scenes;
    this.image = 0;
    this.state = { level: -1, point: null, box: -1, top: 100, score: 0, step: null };
    this.kinds = KINDS_DRAWN.filter((kind) => this.data.images?.some((image) => kind.has(image, this.data)));
    this.choice = el("select", { "aria-label": page.say("drawing"), onchange: () => this.choose(this.choice.value) },
      ...this.kinds.map((kind) => el("option", { value: kind.key, text: page.say(`kind_${kind.key}`) })));
    this.which = el("select", { "aria-label": page.say("image_of_batch"), onchange: () => this.setImage(Number(this.which.value)) },
      ...(this.data.images ?? []).map((_, i) => el("option", { value: i, text: `${page.say("image")} ${i}` })));
    this.canvas = el("canvas", {
      class: "scene", tabindex: "0", role: "img",
      onpointermove: (event) => this.pointed(event), onclick: (event) => this.pointed(event, true),
      onkeydown: (event) => this.key(event),
    });
    this.controls = el("div", { class: "scene-controls" });
    this.facts = el("p", { class: "scene-facts", role: "status" });
    this.extra = el("div", { class: "scene-extra" });
    this.body = el("div", { class: "body" }, el("div", { class: "scene-head" }, this.choice, this.several() ? this.which : null),
      this.canvas, this.facts, this.controls, this.extra);
    this.element = el("section", { class: "panel picture", "aria-label": page.say("picture") }, this.body);
    new ResizeObserver(() => this.draw()).observe(this.body);
    if (this.kinds.length) this.setImage(0);
  }

  get empty() {
    return !this.kinds.length;
  }

  several() {
    return this.data.images?.length > 1;
  }

  async setImage(number) {
    this.image = number;
    this.state.box = -1;
    this.scene = this.data.images[number];
    const best = Math.max(0, ...this.values(this.scene.detections?.scores));
    this.state.score = best >= 0.5 ? 0.5 : 0;
    this.bitmap = null;
    this.build();
    const bytes = this.array(this.scene.picture);
    if (bytes) {
      this.bitmap = await createImageBitmap(new Blob([bytes.values], { type: "image/jpeg" }));
      this.draw();
    }
  }

  array(name) {
    return name ? this.page.rec.array(name) : null;
  }

  values(name) {
    return this.array(name)?.values ?? [];
  }

  // --- which drawing ---

  update() {
    if (this.empty) return;
    const { call } = this.page.cursor.position;
    const place = call.stage + this.kindFor(call);
    if (place !== this.place) this.kind = this.kinds.find(({ key }) => key === this.kindFor(call)) ?? this.kind ?? this.kinds[0];
    this.place = place;
    if (this.shown !== this.kind) this.build();
    else if (this.kind.follows) this.draw();
  }

  /** The drawing that goes with a call. */
  kindFor(call) {
    const names = this.page.timeline.stack(call).map((c) => `${c.type} ${c.path}`).join(" ");
    const rules = [[/AnchorGenerator/, "anchors"], [/postprocess/, "detections"], [/LevelMapper/, "levels"],
      [/roi_align|MultiScaleRoIAlign/, "align"], [/roi_heads/, "levels"], [/RegionProposalNetwork/, "proposals"],
      [/FeaturePyramid/, "merges"]];
    return rules.find(([test]) => test.test(names))?.[1] ?? "overlay";
  }

  choose(key) {
    this.kind = this.kinds.find((kind) => kind.key === key);
    this.build();
  }

  build() {
    if (!this.kind?.has(this.scene, this.data)) this.kind = this.kinds.find((kind) => kind.has(this.scene, this.data)) ?? this.kinds[0];
    this.shown = this.kind;
    this.choice.value = this.kind.key;
    this.canvas.hidden = this.kind.noCanvas === true;
    this.canvas.setAttribute("aria-label", this.page.say(`kind_${this.kind.key}`));
    const { level } = this.state;
    if (this.kind.oneLevel && level < 0) this.state.level = 2;
    if (level >= (this.data.levels?.length ?? 0)) this.state.level = -1;
    this.controls.replaceChildren(...(this.kind.controls?.(this) ?? []));
    this.extra.replaceChildren(...(this.kind.extra?.(this) ?? []));
    this.body.classList.toggle("with-extra", Boolean(this.kind.extra) && !this.kind.noCanvas);
    this.draw();
  }

  // --- drawing ---

  draw() {
    if (!this.kind || !this.element.offsetWidth) return;
    const [height, width] = this.scene.resized;
    if (!this.kind.noCanvas) {
      this.canvas.style.aspectRatio = `${width} / ${height}`;
      this.canvas.style.setProperty("--aspect", width / height);
      paint(this.canvas, (context, across, down) => {
        this.scale = across / width;
        context.fillStyle = colour("soft");
        context.fillRect(0, 0, across, down);
        if (this.bitmap) context.drawImage(this.bitmap, 0, 0, across, down);
        context.scale(this.scale, this.scale);
        this.kind.draw?.(this, context);
      });
    }
    this.kind.drawExtra?.(this);
    this.facts.textContent = this.kind.facts?.(this) ?? "";
  }

  /** Stroke boxes; `look(i)` gives the colour, the width in screen pixels and the dashes of each. */
  strokeBoxes(context, boxes, indices, look) {
    for (const i of indices) {
      const { paint: ink, width = 1.5, dash = [], alpha = 1 } = look(i);
      context.strokeStyle = ink;
      context.lineWidth = width / this.scale;
      context.setLineDash(dash.map((d) => d / this.scale));
      context.globalAlpha = alpha;
      const [x1, y1, x2, y2] = boxes.subarray(4 * i, 4 * i + 4);
      context.strokeRect(x1, y1, x2 - x1, y2 - y1);
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  levelName(index) {
    return this.data.levels?.[index]?.name ?? String(index);
  }

  /** The colour of a level goes by its stride, as in the figures: P2 is the same everywhere. */
  levelNumber(index) {
    const exponent = Number(/\d+/.exec(this.levelName(index))?.[0] ?? 1);
    return Math.min(Math.max(exponent, 1), 7);
  }

  levelColour(index) {
    return colour(`level-${this.levelNumber(index)}`);
  }

  pointed(event, chosen = false) {
    const { left, top } = this.canvas.getBoundingClientRect();
    this.state.point = [(event.clientX - left) / this.scale, (event.clientY - top) / this.scale];
    this.kind.point?.(this, ...this.state.point, chosen);
    const slider = this.controls.querySelector('[data-name="box"]');
    if (slider) slider.value = this.state.box;
    this.draw();
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (!moves[event.key] || !this.kind.move) return;
    event.preventDefault();
    event.stopPropagation();
    this.kind.move(this, ...moves[event.key]);
    this.draw();
  }

  // --- controls ---

  slider(key, name, { min = 0, max, step = 1, value = this.state[name], show = String, change = null }) {
    const output = el("output", { text: show(value) });
    const input = el("input", {
      type: "range", min, max, step, value, "data-name": name,
      oninput: () => {
        this.state[name] = Number(input.value);
        output.textContent = show(this.state[name]);
        change?.();
        this.draw();
      } });
    return el("label", { class: "slider" }, el("span", { text: this.page.say(key) }), input, output);
  }

  /** Buttons for the levels, each in its colour; `all` offers them together. */
  levelButtons(levels, all = true) {
    const group = el("span", { class: "levels", role: "group", "aria-label": this.page.say("level") });
    const make = (index, text) => button(text, text, () => {
      this.state.level = index;
      this.state.box = -1;
      this.build();
    }, { "aria-pressed": String(this.state.level === index), style: index < 0 ? {} : { "--level": `var(--level-${this.levelNumber(index)})` } });
    if (all) group.append(make(-1, this.page.say("all_levels")));
    group.append(...levels.map((index) => make(index, this.levelName(index))));
    return group;
  }
}
