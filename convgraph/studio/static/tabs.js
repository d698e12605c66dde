// Tabs: one part is shown at a time; arrow keys move between their names.

import { fill, h } from "./dom.js";

let sets = 0;

/** Tabs of `[id, title, element]`. `opened(id)` is told which is shown. Gives `{element, open(id), title(id, text), current}`. */
export function tabs(label, parts, opened = () => {}) {
  const set = ++sets;
  const names = new Map();
  const panels = new Map();
  const result = { current: parts[0][0] };
  result.open = (id) => {
    const changed = result.current !== id;
    result.current = id;
    for (const [other, name] of names) {
      name.setAttribute("aria-selected", String(other === id));
      name.setAttribute("tabindex", other === id ? "0" : "-1");
      panels.get(other).hidden = other !== id;
    }
    if (changed) opened(id);
  };
  result.title = (id, ...words) => fill(names.get(id), ...words);
  const step = (event) => {
    const ids = [...names.keys()];
    const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next =
      event.key === "Home"
        ? 0
        : event.key === "End"
          ? ids.length - 1
          : way
            ? (ids.indexOf(result.current) + way + ids.length) % ids.length
            : null;
    if (next === null) return;
    event.preventDefault();
    result.open(ids[next]);
    names.get(ids[next]).focus();
  };
  for (const [id, title, element] of parts) {
    names.set(
      id,
      h("button", { role: "tab", id: `tab-${set}-${id}`, "aria-controls": `panel-${set}-${id}`, onclick: () => result.open(id) }, title),
    );
    panels.set(
      id,
      h(
        "div",
        { role: "tabpanel", id: `panel-${set}-${id}`, "aria-labelledby": `tab-${set}-${id}`, class: "panel", tabindex: "-1" },
        element,
      ),
    );
  }
  const list = h("div", { role: "tablist", "aria-label": label, class: "tabs", onkeydown: step }, [...names.values()]);
  result.element = h("section", { class: "tabbed" }, list, [...panels.values()]);
  result.open(result.current);
  return result;
}
