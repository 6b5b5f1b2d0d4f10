// Boxes over the picture: draws those that all sliders let through, and says how many they are.
"use strict";
const interactive = (() => {
  const [ROOM, BESIDE] = [[806, 550], [776, 390]]; // pixels of the slide that the picture has, alone or not
  const SHARP = 2; // of the drawing's, for each of the slide's
  const TEXT = 24 * SHARP;
  const RULES = {
    min: (own, value) => own >= value,
    max: (own, value) => own <= value,
    is: (own, value) => value < 0 || own === value,
  };
  const read = new Map(); // by place in the deck: the data, and the picture once it is there

  function start() {
    document.addEventListener("keydown", leave, true);
    const parts = [...document.querySelectorAll(".interactive")];
    return Promise.all(parts.map((part, place) => {
      part.dataset.place = place;
      const picture = part.querySelector("img");
      read.set(String(place), { ...JSON.parse(part.dataset.boxes), picture });
      part.removeAttribute("data-boxes");
      return picture.decode().then(() => draw(part));
    }));
  }

  // The arrows are the slider's own; any other key leaves it and is the deck's again.
  const OWN = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "Tab", "Shift"];
  const isSlider = (event) => event.target.matches?.(".interactive input") ?? false;
  const owns = (event) => isSlider(event) && OWN.includes(event.key);

  function leave(event) {
    if (!isSlider(event) || owns(event)) return;
    event.target.blur();
    if (event.key === "Escape") event.stopPropagation();
  }

  function follow(part, moved) {
    const values = [...moved.querySelectorAll("input")].map((input) => input.value);
    part.querySelectorAll("input").forEach((input, n) => { input.value = values[n]; });
    draw(part);
  }

  function shown(data, places) {
    const rules = data.sliders.map((slider, n) => {
      const [passes, value] = [RULES[slider.rule], slider.values[places[n]]];
      return (box) => passes(slider.of[box], value);
    });
    return data.group.map((_, box) => box).filter((box) => rules.every((rule) => rule(box)));
  }

  function draw(part) {
    const data = read.get(part.dataset.place);
    if (!data) return;
    const inputs = [...part.querySelectorAll("input")];
    const places = inputs.map((input) => Number(input.value));
    const boxes = shown(data, places);
    paint(part.querySelector("canvas"), data, boxes, part.matches(":only-child") ? ROOM : BESIDE);
    part.querySelector("output").textContent = data.count.replace("{shown}", boxes.length.toLocaleString("en-US"));
    inputs.forEach((input, n) => {
      const text = data.sliders[n].texts[places[n]];
      input.setAttribute("aria-valuetext", text);
      input.parentElement.querySelector("b").textContent = text;
    });
    part.querySelectorAll(".key li").forEach((item, group) => { item.style.borderColor = data.colours[group]; });
  }

  function paint(canvas, data, boxes, room) {
    const scale = SHARP * Math.min(room[0] / data.size[0], room[1] / data.size[1]);
    [canvas.width, canvas.height] = data.size.map((side) => Math.round(side * scale));
    const paper = canvas.getContext("2d");
    paper.drawImage(data.picture, 0, 0, canvas.width, canvas.height);
    const places = boxes.map((box) => data.boxes.slice(4 * box, 4 * box + 4).map((side) => side * scale));
    const colours = boxes.map((box) => data.colours[data.group[box]]);
    for (let n = boxes.length - 1; n >= 0; n -= 1) outline(paper, places[n], colours[n]);
    const inks = boxes.map((box) => data.inks[data.group[box]]);
    if (data.names.length) name(paper, places, boxes.map((box) => data.names[box]), colours, inks);
  }

  function outline(paper, [x1, y1, x2, y2], colour) {
    for (const [width, ink] of [[6, "#00000080"], [3.5, colour]]) {
      paper.lineWidth = width;
      paper.strokeStyle = ink;
      paper.strokeRect(x1, y1, x2 - x1, y2 - y1);
    }
  }

  // A name stands in a corner of its box where no better box's name stands, or not at all.
  function name(paper, places, texts, colours, inks) {
    const taken = [];
    paper.font = `${TEXT}px ${getComputedStyle(document.querySelector(".reveal")).fontFamily}`;
    paper.textBaseline = "middle";
    texts.forEach((text, n) => {
      const [wide, tall] = [paper.measureText(text).width + 16, TEXT * 1.25];
      const free = corners(places[n], wide, tall, paper.canvas).find(([x, y]) =>
        taken.every(([a, b, width]) => x >= a + width || a >= x + wide || Math.abs(y - b) >= tall));
      if (!free) return;
      taken.push([...free, wide]);
      paper.fillStyle = colours[n];
      paper.fillRect(...free, wide, tall);
      paper.fillStyle = inks[n];
      paper.fillText(text, free[0] + 8, free[1] + tall * 0.53);
    });
  }

  function corners([x1, y1, x2, y2], wide, tall, { width, height }) {
    const within = (at, most) => Math.max(0, Math.min(at, most));
    return [[x1, y1], [x1, y1 - tall], [x2 - wide, y1], [x1, y2 - tall], [x1, y2], [x2 - wide, y2 - tall]]
      .map(([x, y]) => [within(x, width - wide), within(y, height - tall)]);
  }

  return { start, draw, follow, leave, owns };
})();
