// Fields of the editor's forms. Each shows one value of the document, says where it stands (`data-path`), and has room for what is wrong.

import { h } from "../dom.js";

let ids = 0;

/** A labelled control. `path` is where its value stands in the document, `hint` a line below it. */
export function field(label, control, { path = "", hint = "", wide = false } = {}) {
  const id = ++ids;
  const fault = h("span", { class: "fault", id: `fault-${id}`, hidden: true });
  control.dataset.path = path;
  control.dataset.focus = path || label;
  const about = hint ? h("span", { class: "quiet hint", id: `hint-${id}` }, hint) : null;
  control.setAttribute("aria-labelledby", `label-${id}`);
  control.setAttribute("aria-describedby", [about?.id, fault.id].filter(Boolean).join(" "));
  return h(
    "label",
    { class: `edit-field${wide ? " wide-field" : ""}` },
    h("span", { class: "field-name", id: `label-${id}` }, label),
    control,
    about,
    fault,
  );
}

/** A line of text; `change(value)` is told while it is typed. */
export function line(value, change, attributes = {}) {
  return h("input", {
    type: "text",
    autocomplete: "off",
    spellcheck: "false",
    ".value": value ?? "",
    oninput: (event) => change(event.target.value),
    ...attributes,
  });
}

/** Several lines of text. */
export function lines(value, change, attributes = {}) {
  return h("textarea", { rows: 4, ".value": value ?? "", oninput: (event) => change(event.target.value), ...attributes });
}

/** A number, undefined where it is left empty. */
export function figure(value, change, attributes = {}) {
  return h("input", {
    type: "number",
    class: "num",
    ".value": value ?? "",
    oninput: (event) => change(event.target.value === "" ? undefined : Number(event.target.value)),
    ...attributes,
  });
}

/** A choice among `[value, words]`; a value that is none of them is offered as well. */
export function choice(value, options, change, attributes = {}) {
  const known = options.some(([one]) => one === (value ?? ""));
  const all = known ? options : [[value, `${value} (not known)`], ...options];
  return h(
    "select",
    { onchange: (event) => change(event.target.value), ...attributes },
    all.map(([one, words]) => h("option", { value: one, selected: one === (value ?? "") }, words)),
  );
}

/** A box to tick. */
export function box(label, checked, change) {
  return h(
    "label",
    { class: "check" },
    h("input", { type: "checkbox", ".checked": checked, "data-focus": label, onchange: (event) => change(event.target.checked) }),
    h("span", {}, label),
  );
}

/** A value as JSON; what cannot be read is said and not taken. */
export function json(value, change, attributes = {}) {
  const control = h("textarea", {
    class: "mono",
    rows: 4,
    spellcheck: "false",
    ".value": value === undefined ? "" : JSON.stringify(value, null, 2),
    ...attributes,
  });
  control.addEventListener("input", () => {
    try {
      const said = control.value.trim();
      change(said === "" ? undefined : JSON.parse(said));
      control.setCustomValidity("");
      control.removeAttribute("aria-invalid");
    } catch (error) {
      control.setCustomValidity(error.message);
      control.setAttribute("aria-invalid", "true");
    }
  });
  return control;
}

/** A button that says in words what it does, and shows a sign. */
export function sign(shown, words, work, attributes = {}) {
  return h(
    "button",
    { type: "button", class: "plain sign-button", "aria-label": words, title: words, onclick: work, ...attributes },
    shown,
  );
}

/** Show the problems in `element` at the fields whose path they name; gives those that found no place. */
export function placeProblems(element, problems) {
  const left = new Set(problems);
  for (const control of element.querySelectorAll("[data-path]")) {
    const fault = control.closest(".edit-field")?.querySelector(".fault");
    const own = control.dataset.path ? problems.filter((one) => one.path === control.dataset.path) : [];
    if (fault) {
      fault.hidden = own.length === 0;
      fault.textContent = own.map((one) => one.message.replace(/^guard '.*', (column \d+)/s, "$1")).join("; ");
    }
    if (!control.validationMessage) control.toggleAttribute("aria-invalid", false);
    if (own.length) control.setAttribute("aria-invalid", "true");
    own.forEach((one) => left.delete(one));
  }
  return [...left];
}
