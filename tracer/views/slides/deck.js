// The deck's own script: starts reveal.js, marks the lines of code, opens the speaker's window.
"use strict";
(() => {
  const framed = window.self !== window.top; // a frame has no address of its own to keep
  let speaker = null;
  let began = Date.now();

  // --- code: the lines that the last shown step dwells on ---

  function mark(section) {
    for (const code of section.querySelectorAll(".code")) {
      const steps = [...code.querySelectorAll(".beside li")];
      const current = steps.filter((step) => step.classList.contains("visible")).at(-1);
      const lines = new Set(current ? current.dataset.lines.split(" ") : []);
      for (const step of steps) step.classList.toggle("current", step === current);
      for (const line of code.querySelectorAll(".line")) line.classList.toggle("here", lines.has(line.dataset.line));
    }
  }

  // --- the speaker's window: copies of this slide and the next, notes, clocks ---

  // It is an empty document of this one's own, with its policy: what it shows is put there from here.
  function openSpeaker() {
    if (speaker && !speaker.closed) return speaker.focus();
    speaker = window.open("", "", "width=1180,height=800");
    if (!speaker) return document.body.classList.toggle("with-notes");
    const sheet = new speaker.CSSStyleSheet();
    sheet.replaceSync(document.querySelector("style").textContent);
    speaker.document.adoptedStyleSheets = [sheet];
    speaker.document.title = document.title;
    speaker.document.documentElement.dataset.theme = document.documentElement.dataset.theme;
    speaker.document.body.className = "speaker reveal-viewport";
    speaker.addEventListener("keydown", interactive.leave, true);
    speaker.addEventListener("keydown", onKey);
    speaker.addEventListener("input", onInput);
    speaker.addEventListener("resize", fit);
    began = Date.now();
    show();
  }

  // What one can try is shown in both windows, and set in either.
  function onInput(event) {
    const moved = event.target.closest?.(".interactive");
    if (!moved) return;
    const place = moved.dataset.place;
    const there = speaker && !speaker.closed ? [speaker.document] : [];
    for (const each of [document, ...there]) {
      for (const twin of each.querySelectorAll(`.interactive[data-place="${place}"]`)) interactive.follow(twin, moved);
    }
  }

  const KEYS = {
    ArrowRight: "next", ArrowDown: "next", PageDown: "next", " ": "next", Enter: "next",
    ArrowLeft: "prev", ArrowUp: "prev", PageUp: "prev", Backspace: "prev",
  };

  function onKey(event) {
    const move = KEYS[event.key];
    if (!move || event.target.tagName === "BUTTON" || interactive.owns(event)) return;
    event.preventDefault();
    Reveal[move]();
  }

  function make(tag, className, ...children) {
    const made = speaker.document.createElement(tag);
    made.className = className;
    made.append(...children);
    return made;
  }

  function button(text, act) {
    const made = make("button", "", text);
    made.addEventListener("click", act);
    return made;
  }

  function copy(section, whole) {
    if (!section) return make("div", "copy");
    const clone = speaker.document.importNode(section, true);
    clone.removeAttribute("id");
    clone.classList.remove("past", "future");
    clone.classList.add("present");
    for (const name of ["hidden", "aria-hidden", "style"]) clone.removeAttribute(name);
    if (whole) for (const part of clone.querySelectorAll(".fragment")) part.classList.add("visible");
    for (const part of clone.querySelectorAll(".interactive")) interactive.draw(part);
    const boards = section.querySelectorAll(".flow canvas");
    clone.querySelectorAll(".flow canvas").forEach((board, n) => {
      board.getContext("2d").drawImage(boards[n], 0, 0);
    });
    return make("div", "copy reveal", make("div", "slides", clone));
  }

  function show() {
    if (!speaker || speaker.closed) return;
    const slides = Reveal.getSlides();
    const section = Reveal.getCurrentSlide();
    const place = slides.indexOf(section);
    const say = JSON.parse(document.querySelector(".slides").dataset.speaker)[section.lang];
    const head = make(
      "header", "", make("b", "clock"), make("b", "elapsed"), make("span", "", `${place + 1} / ${slides.length}`),
      button(say.back, () => Reveal.prev()), button(say.next, () => Reveal.next()),
      button(say.restart, () => { began = Date.now(); tick(); }),
    );
    const said = make("div", "said");
    const notes = section.querySelector("aside.notes");
    if (notes) said.append(...[...notes.children].map((note) => make("p", "", note.textContent)));
    speaker.document.body.replaceChildren(head, copy(section, false), copy(slides[place + 1], true), said);
    fit();
    tick();
  }

  function fit() {
    if (!speaker || speaker.closed) return;
    for (const box of speaker.document.querySelectorAll(".copy")) {
      const slides = box.querySelector(".slides");
      if (slides) slides.style.transform = `scale(${box.clientWidth / 1280})`;
    }
  }

  function tick() {
    if (!speaker || speaker.closed) return;
    const seconds = Math.floor((Date.now() - began) / 1000);
    const two = (number) => String(number).padStart(2, "0");
    const [clock, elapsed] = ["clock", "elapsed"].map((name) => speaker.document.querySelector(`.${name}`));
    if (!clock) return;
    clock.textContent = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    elapsed.textContent = `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`;
  }

  // --- start ---

  function follow() {
    const section = Reveal.getCurrentSlide();
    if (!section) return;
    document.activeElement?.closest(".interactive input")?.blur();
    for (const flow of document.querySelectorAll(".flow")) if (!section.contains(flow)) flow.stop();
    mark(section);
    show();
  }

  Reveal.initialize({
    width: 1280, height: 720, margin: 0.02, center: false, minScale: 0.1, maxScale: 4,
    hash: !framed, respondToHashChanges: !framed, fragmentInURL: false,
    controls: true, progress: true, slideNumber: "c/t", transition: "none", backgroundTransition: "none",
    autoAnimate: false, postMessage: false, postMessageEvents: false, previewLinks: false, viewDistance: 2,
    scrollActivationWidth: null, pdfSeparateFragments: false,
    keyboard: { 83: openSpeaker },
  }).then(() => {
    for (const event of ["slidechanged", "fragmentshown", "fragmenthidden"]) Reveal.on(event, follow);
    Reveal.registerKeyboardShortcut("S", "Speaker view");
    window.setInterval(tick, 1000);
    window.addEventListener("pagehide", () => speaker?.close());
    document.addEventListener("input", onInput);
    for (const part of document.querySelectorAll(".moving")) {
      const { flow, words, lang } = JSON.parse(part.dataset.flow);
      part.append(moving.flow(flow, words, (texts) => texts[lang]));
      part.removeAttribute("data-flow");
    }
    follow();
    return interactive.start();
  }).then(() => {
    document.documentElement.dataset.ready = "";
  });
})();
