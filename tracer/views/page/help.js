// The help: keys, what the page is, what is known about the recording.
import { button, el, visible } from "./dom.js";
import { seconds } from "./text.js";

const KEYS_SHOWN = [
  [["←", "→"], "key_line"], [["s", "S"], "key_into"], [["o", "O"], "key_out"], [["[", "]"], "key_stage"],
  [["Home", "End"], "key_ends"], [["Space"], "key_play"], [["b"], "key_break"], [["c", "C"], "key_run"],
  [["/"], "key_search"], [[":"], "key_command"], [["?"], "key_help"],
];

export function helpDialog(page) {
  const { say, rec } = page;
  const keys = KEYS_SHOWN.map(([names, key]) => el("div", {},
    el("dt", {}, ...names.map((name) => el("kbd", { text: name }))), el("dd", { text: say(key) })));
  const facts = [...Object.entries(rec.environment), ["seconds", seconds(rec.seconds ?? 0)]];
  const dialog = el("dialog", { class: "help", "aria-labelledby": "help-title" },
    el("h2", { id: "help-title", text: say("keys_title") }),
    el("dl", { class: "keys" }, ...keys),
    el("p", { text: say("about") }),
    el("h2", { text: say("notes") }),
    el("dl", { class: "facts" }, ...facts.map(([name, text]) => el("div", {},
      el("dt", { text: visible(name) }), el("dd", { text: visible(text) })))),
    ...rec.notes.map((note) => el("p", { text: visible(note) })),
    button(say("close"), say("close"), () => dialog.close(), { class: "close" }));
  return dialog;
}
