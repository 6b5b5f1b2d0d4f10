// Right, below: what the pass did on the picture. Boxes are in pixels of the resized image.
import { colour, paint } from "./canvas.js";
import { button, el, select } from "./dom.js";
import { boxes } from "./scene-boxes.js";
import { anchors, losses } from "./scene-other.js";
import { align, merges, overlay } from "./scene-maps.js";
import { LANGUAGES } from "./text.js";

// How a drawing of each kind is made: controls(view) and extra(view) give elements; draw(view, context)
// paints on the picture, drawExtra(view) elsewhere; point(view, x, y, clicked) and move(view, across,
// along) follow the pointer and the arrow keys; facts(view) tells what is seen.
const KINDS_DRAWN = { overlay, merges, anchors, boxes, align, losses };

export class PictureView {
  constructor(page) {
    this.page = page;
    this.images = page.rec.data.scenes.images ?? [];
    this.empty = !this.images.length;
    this.state = { group: -1, point: null, box: -1, top: 100, score: 0, step: null, opacity: 0.6 };
    this.canvas = el("canvas", {
      class: "scene", tabindex: "0", role: "img",
      onpointermove: (event) => this.pointed(event), onclick: (event) => this.pointed(event, true),
      onkeydown: (event) => this.key(event),
    });
    this.head = el("div", { class: "scene-head" });
    this.controls = el("div", { class: "scene-controls" });
    this.facts = el("p", { class: "scene-facts quiet", role: "status" });
    this.extra = el("div", { class: "scene-extra" });
    this.body = el("div", { class: "body" }, this.head, this.canvas, this.facts, this.controls, this.extra);
    this.element = page.panel("picture", "picture", this.body);
    new ResizeObserver(() => this.draw()).observe(this.body);
    if (!this.empty) this.setImage(0);
  }

  async setImage(number) {
    const { say } = this.page;
    this.image = number;
    this.scene = this.images[number];
    this.drawing = this.scene.drawings.find(({ key }) => key === this.drawing?.key) ?? this.scene.drawings[0];
    this.choice = select(say("drawing"), this.scene.drawings.map(({ key }) => [key, say(`kind_${key}`)]), (key) => this.choose(key));
    const which = select(say("image"), this.images.map((_, i) => [i, `${say("image")} ${i}`]), (i) => this.setImage(Number(i)));
    which.value = number;
    this.head.replaceChildren(this.choice, ...(this.images.length > 1 ? [which] : []));
    this.bitmap = null;
    this.choose(this.drawing.key);
    const bytes = this.values(this.scene.picture);
    if (!bytes.length) return;
    this.bitmap = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    this.draw();
  }

  values(name) {
    return (name && this.page.rec.array(name)?.values) || [];
  }

  // --- which drawing ---

  /** Show the drawing that goes with the innermost call that has one. */
  update() {
    if (this.empty) return;
    const { call } = this.page.cursor.position;
    const fits = (c) => this.scene.drawings.find(({ calls }) => calls && new RegExp(calls).test(`${c.type} ${c.path}`));
    const fitting = this.page.timeline.stack(call).map(fits).find(Boolean) ?? this.scene.drawings[0];
    if (fitting !== this.fitting && fitting !== this.drawing) this.choose(fitting.key, false);
    this.fitting = fitting;
  }

  choose(key, now = true) {
    this.drawing = this.scene.drawings.find((drawing) => drawing.key === key);
    this.kind = KINDS_DRAWN[this.drawing.kind];
    Object.assign(this.state, { group: -1, box: -1, step: null });
    this.kind.begin?.(this);
    this.choice.value = key;
    this.canvas.hidden = this.kind.noCanvas === true;
    this.canvas.setAttribute("aria-label", this.page.say(`kind_${key}`));
    this.stale = true;
    if (now) this.draw();
  }

  /** Make the controls again, after something chosen by one of them. */
  rebuild() {
    this.stale = true;
    this.draw();
  }

  // --- drawing ---

  draw() {
    if (this.empty || !this.element.offsetWidth) return;
    if (this.stale) {
      this.controls.replaceChildren(...(this.kind.controls?.(this) ?? []).filter(Boolean));
      this.extra.replaceChildren(...(this.kind.extra?.(this) ?? []));
      this.body.classList.toggle("with-extra", Boolean(this.extra.firstChild) && !this.kind.noCanvas);
      this.stale = false;
    }
    if (!this.kind.noCanvas) this.drawPicture();
    this.kind.drawExtra?.(this);
    this.facts.textContent = this.kind.facts?.(this) ?? "";
  }

  drawPicture() {
    const [height, width] = this.scene.resized;
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

  /** Stroke boxes; `look(i)` gives the colour, the width in screen pixels and the dashes of each. */
  stroke(context, list, indices, look) {
    for (const i of indices) {
      const { ink, width = 1.5, dash = [], alpha = 1 } = look(i);
      context.strokeStyle = ink;
      context.lineWidth = width / this.scale;
      context.setLineDash(dash.map((d) => d / this.scale));
      context.globalAlpha = alpha;
      const [x1, y1, x2, y2] = list.subarray(4 * i, 4 * i + 4);
      context.strokeRect(x1, y1, x2 - x1, y2 - y1);
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  /** Stroke one box so that it stands out from any picture. */
  strokeClearly(context, list, i, ink) {
    this.stroke(context, list, [i], () => ({ ink: "#000", width: 5 }));
    this.stroke(context, list, [i], () => ({ ink, width: 2.5 }));
  }

  pointed(event, clicked = false) {
    const { left, top } = this.canvas.getBoundingClientRect();
    this.state.point = [(event.clientX - left) / this.scale, (event.clientY - top) / this.scale];
    this.kind.point?.(this, ...this.state.point, clicked);
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

  // --- groups and controls ---

  groupName(i) {
    return this.drawing.groups[i][LANGUAGES.indexOf(this.page.lang)];
  }

  groupColour(i) {
    return colour(this.drawing.groups[i][2]);
  }

  slider(key, name, { min = 0, max, step = 1, show = String }) {
    const output = el("output", { text: show(this.state[name]) });
    const input = el("input", {
      type: "range", min, max, step, value: this.state[name], "data-name": name,
      oninput: () => {
        this.state[name] = Number(input.value);
        output.textContent = show(this.state[name]);
        this.draw();
      } });
    return el("label", { class: "slider" }, el("span", { text: this.page.say(key) }), input, output);
  }

  /** Buttons for the groups, each in its colour; `all` offers them together. */
  groupButtons(all = true) {
    const make = (i, text) => button(text, text, () => {
      Object.assign(this.state, { group: i, box: -1 });
      this.rebuild();
    }, { "aria-pressed": String(this.state.group === i), style: i < 0 ? {} : { "--ink": `var(--${this.drawing.groups[i][2]})` } });
    return el("span", { class: "groups", role: "group", "aria-label": this.page.say("groups") },
      all ? make(-1, this.page.say("all_groups")) : null, ...this.drawing.groups.map((_, i) => make(i, this.groupName(i))));
  }
}
