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
    paintBoxes(part.querySelector("canvas"), data, boxes, part.matches(":only-child") ? ROOM : BESIDE);
    part.querySelector("output").textContent = data.count.replace("{shown}", boxes.length.toLocaleString("en-US"));
    inputs.forEach((input, n) => {
      const text = data.sliders[n].texts[places[n]];
      input.setAttribute("aria-valuetext", text);
      input.parentElement.querySelector("b").textContent = text;
    });
    part.querySelectorAll(".key li").forEach((item, group) => { item.style.borderColor = data.colours[group]; });
  }

  function paintBoxes(canvas, data, boxes, room) {
    const scale = SHARP * Math.min(room[0] / data.size[0], room[1] / data.size[1]);
    [canvas.width, canvas.height] = data.size.map((side) => Math.round(side * scale));
    const paper = canvas.getContext("2d");
    paper.drawImage(data.picture, 0, 0, canvas.width, canvas.height);
    const places = boxes.map((box) => data.boxes.slice(4 * box, 4 * box + 4).map((side) => side * scale));
    const colour = (n) => data.colours[data.group[boxes[n]]];
    for (let n = boxes.length - 1; n >= 0; n -= 1) paint.outline(paper, places[n], colour(n), 3.5);
    if (!data.names.length) return;
    const look = (n) => [data.names[boxes[n]], colour(n), data.inks[data.group[boxes[n]]]];
    const { fontFamily } = getComputedStyle(document.querySelector(".reveal"));
    paint.name(paper, places, look, TEXT, fontFamily, [canvas.width, canvas.height]);
  }

  return { start, draw, follow, leave, owns };
})();
