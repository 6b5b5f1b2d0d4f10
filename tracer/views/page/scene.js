// Right, below: what the pass did on the picture. Boxes are in pixels of the resized image.
import { colour, paint } from "./canvas.js";
import { el, fill, select, View } from "./dom.js";
import { Boxes, Levels } from "./scene-boxes.js";
import { Anchors, Losses } from "./scene-other.js";
import { Align, Merges, Overlay } from "./scene-maps.js";

const KINDS_DRAWN = {
  overlay: Overlay, merges: Merges, anchors: Anchors, boxes: Boxes, levels: Levels, align: Align, losses: Losses,
};
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class PictureView extends View {
  constructor(page) {
    super(page);
    this.images = this.read(this.rec.data.scenes.images ?? []);
    this.empty = !this.images.length;
    this.state = { group: -1, point: null, box: -1, top: 100, score: 0, step: 0, opacity: 0.6 };
    this.canvas = el("canvas.scene", {
      tabindex: "0", role: "img", onpointermove: (event) => this.pointed(event),
      onclick: (event) => this.pointed(event, true), onkeydown: (event) => this.key(event),
    });
    this.head = el("div.scene-head");
    this.controls = el("div.scene-controls");
    this.facts = el("p.scene-facts.quiet", { role: "status" });
    this.extra = el("div.scene-extra");
    this.body = el("div.body", this.head, this.canvas, this.facts, this.controls, this.extra);
    this.element = this.panel("picture", "picture", this.body);
    new ResizeObserver(() => this.draw()).observe(this.body);
    if (!this.empty) this.setImage(0);
  }

  /** Data with the arrays that it names, each as {array: name}. */
  read(data) {
    if (data === null || typeof data !== "object") return data;
    if (Array.isArray(data)) return data.map((item) => this.read(item));
    if (data.array) return this.rec.array(data.array);
    return Object.fromEntries(Object.entries(data).map(([name, item]) => [name, this.read(item)]));
  }

  async setImage(number) {
    const { say } = this;
    this.image = number;
    this.scene = this.images[number];
    const { drawings, picture } = this.scene;
    const key = (drawings.find((drawing) => drawing.key === this.drawing?.key) ?? drawings[0]).key;
    const kinds = drawings.map((drawing) => [drawing.key, say(`kind_${drawing.key}`)]);
    const images = this.images.map((_, i) => [i, `${say("image")} ${i}`]);
    this.choice = select(say("drawing"), kinds, key, (chosen) => this.choose(chosen));
    fill(this.head, this.choice,
      images.length > 1 && select(say("image"), images, number, (chosen) => this.setImage(Number(chosen))));
    this.bitmap = null;
    this.choose(key);
    if (!picture) return;
    this.bitmap = await createImageBitmap(new Blob([picture], { type: "image/jpeg" }));
    this.draw();
  }

  // --- which drawing ---

  /** Show the drawing that goes with the innermost call that has one. */
  update() {
    if (this.empty) return;
    const { drawings } = this.scene;
    const fits = ({ type, path }) => drawings.find(({ calls }) => calls && new RegExp(calls).test(`${type} ${path}`));
    const { key } = this.timeline.stack(this.cursor.position.call).map(fits).find(Boolean) ?? drawings[0];
    if (key !== this.fitting && key !== this.drawing.key) this.choose(key, false);
    this.fitting = key;
  }

  choose(key, now = true) {
    const data = this.scene.drawings.find((drawing) => drawing.key === key);
    this.drawing = new KINDS_DRAWN[data.kind](this, data);
    this.choice.value = key;
    this.canvas.hidden = this.drawing.noCanvas === true;
    this.canvas.setAttribute("aria-label", this.say(`kind_${key}`));
    this.stale = true;
    if (now) this.draw();
  }

  /** Make the controls again, after something chosen by one of them. */
  rebuild(chosen = {}) {
    Object.assign(this.state, chosen);
    this.stale = true;
    this.draw();
  }

  // --- drawing ---

  draw() {
    if (this.empty || !this.element.offsetWidth) return;
    const { drawing, extra } = this;
    if (this.stale) {
      fill(this.controls, drawing.controls());
      fill(extra, drawing.extra());
      this.body.classList.toggle("with-extra", Boolean(extra.firstChild) && !drawing.noCanvas);
      this.stale = false;
    }
    if (!drawing.noCanvas) this.drawPicture();
    drawing.drawExtra();
    this.facts.textContent = drawing.told();
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
      this.drawing.draw(context);
    });
  }

  pointed(event, clicked = false) {
    const { left, top } = this.canvas.getBoundingClientRect();
    this.state.point = [(event.clientX - left) / this.scale, (event.clientY - top) / this.scale];
    this.drawing.point(...this.state.point, clicked);
    const slider = this.controls.querySelector('[data-name="box"]');
    if (slider) slider.value = this.state.box;
    this.draw();
  }

  key(event) {
    if (!ARROWS[event.key] || !this.drawing.move) return;
    event.preventDefault();
    event.stopPropagation();
    this.drawing.move(...ARROWS[event.key]);
    this.draw();
  }
}
