// A guard as it is typed: what may be used in it is listed below, and the column of an error is shown under the text.

import { fill, h } from "../dom.js";
import { field, line } from "./fields.js";

/** The field for CEL text. `state` are the names of the state's fields, `nodes` those of the nodes. */
export function guardField(label, value, change, { path, palette, state, nodes, hint = "" }) {
  const input = line(value, (text) => change(text), { class: "mono guard", placeholder: "always" });
  const caret = h("pre", { class: "column-mark", "aria-hidden": "true" });
  const put = (text) => {
    input.setRangeText(text, input.selectionStart, input.selectionEnd, "end");
    input.dispatchEvent(new Event("input"));
    input.focus();
  };
  const names = [
    ...palette.names.flatMap((word) => [
      [word.name, word.summary],
      ...word.fields.filter(() => word.name !== "messages").map((one) => [`${word.name}.${one}`, word.summary]),
    ]),
    ...state.map((name) => [`state.${name}`, "a field of the state"]),
    ...nodes.map((name) => [`visits["${name}"]`, `how often ${name} has had the turn`]),
  ];
  const examples = palette.functions.filter((word) => word.summary);
  const words = h(
    "details",
    { class: "vocabulary" },
    h("summary", {}, "What a guard may use"),
    h(
      "div",
      { class: "row tight" },
      names.map(([name, summary]) => h("button", { type: "button", class: "word mono", title: summary, onclick: () => put(name) }, name)),
    ),
    h("p", { class: "quiet hint" }, "Examples; they replace the guard:"),
    h(
      "ul",
      { class: "parts" },
      examples.map((word) =>
        h("li", {}, h("button", { type: "button", class: "word mono", onclick: () => replace(word.summary) }, word.summary)),
      ),
    ),
    h("p", { class: "quiet hint" }, "Joined by && and ||, turned round by !, compared by == != < <= > >=."),
  );
  const replace = (text) => {
    input.value = text;
    input.dispatchEvent(new Event("input"));
    input.focus();
  };
  const element = field(label, input, { path, hint, wide: true });
  element.insertBefore(caret, element.querySelector(".fault"));
  const watcher = new MutationObserver(() => {
    const column = /column (\d+)/.exec(element.querySelector(".fault").textContent);
    fill(caret, column && !element.querySelector(".fault").hidden ? `${input.value}\n${" ".repeat(Number(column[1]) - 1)}^` : "");
  });
  watcher.observe(element.querySelector(".fault"), { childList: true, attributes: true });
  return h("div", { class: "stack tight wide-field" }, element, words);
}
