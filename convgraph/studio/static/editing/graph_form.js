// What belongs to the graph as a whole: how it begins and chooses, what it may cost, and the fields of its state.

import { put } from "../document.js";
import { h } from "../dom.js";
import { choice, field, figure, json, line, sign } from "./fields.js";
import { modelForm } from "./model_form.js";

const TYPES = ["string", "integer", "number", "boolean", "array", "object"];
const LIMITS = [
  ["turns", "Turns", 1],
  ["visits", "Turns of one node", 1],
  ["seconds", "Seconds", "any"],
  ["tokens", "Tokens", 1],
  ["usd", "US dollars", "any"],
];

/** The form for the graph at `path` in the document. `ui` is the editor, as for `nodeRow`. */
export function graphForm(graph, path, ui) {
  const set = (key, again) => (value) => ui.change((one) => put(one, key, value, "graph"), `${path} ${key}`, again);
  const begins = (graph.edges ?? []).some((edge) => edge.from === "START");
  return h(
    "div",
    { class: "stack" },
    h(
      "div",
      { class: "edit-grid" },
      field(
        "Name",
        line(graph.name, (value) => ui.change((one) => (one.name = value), `${path} name`)),
        { path: `${path}name` },
      ),
      field(
        "Begins with",
        choice(
          graph.start,
          [["", begins ? "the edges that leave START" : "nobody yet"], ...ui.nodeNames().map((name) => [name, name])],
          set("start"),
        ),
        { path: `${path}start` },
      ),
      field(
        "Who is next",
        choice(
          graph.select ?? "first",
          ui.palette.selectors.map((one) => [one.name, one.summary]),
          (value) => set("select", true)(value === "first" ? undefined : value),
        ),
        { path: `${path}select` },
      ),
      field("If undecided", choice(graph.fallback, [["", "the run fails"], ...ui.targets().map((name) => [name, name])], set("fallback")), {
        path: `${path}fallback`,
      }),
    ),
    graph.select === "auto" || graph.detail?.selector_model !== undefined ? selector(graph, path, ui) : null,
    limits(graph, path, ui),
    state(graph, path, ui),
  );
}

function selector(graph, path, ui) {
  const change = (model, again) =>
    ui.change(
      (one) => {
        const detail = { ...one.detail };
        if (model === undefined) delete detail.selector_model;
        else detail.selector_model = model;
        put(one, "detail", detail, "graph");
      },
      `${path} selector`,
      again,
    );
  return modelForm(graph.detail?.selector_model, change, {
    path: `${path}detail.selector_model`,
    standard: ui.session.default_model,
    allowNone: false,
    name: "The model that chooses",
  });
}

function limits(graph, path, ui) {
  const now = graph.limits ?? {};
  const set = (key) => (value) =>
    ui.change((one) => {
      const next = { ...one.limits };
      if (value === undefined) delete next[key];
      else next[key] = value;
      put(one, "limits", next, "graph");
    }, `${path} limits ${key}`);
  const control = (key, step) =>
    typeof now[key] === "object"
      ? json(now[key], set(key), { rows: 2 })
      : figure(now[key], set(key), { min: 0, step, placeholder: "none" });
  return h(
    "fieldset",
    { class: "stack tight" },
    h("legend", {}, "Limits"),
    h(
      "div",
      { class: "edit-grid thirds" },
      LIMITS.map(([key, words, step]) => field(words, control(key, step), { path: `${path}limits.${key}` })),
    ),
    h(
      "p",
      { class: "quiet hint" },
      "When one is used up, an edge “when a limit is used up” is taken, if there is one; else the run stops.",
    ),
  );
}

function state(graph, path, ui) {
  const declared = graph.state ?? {};
  if (declared.python !== undefined)
    return h(
      "fieldset",
      { class: "stack tight" },
      h("legend", {}, "State"),
      field(
        "A pydantic model",
        line(declared.python, (value) => ui.change((one) => (one.state = { ...one.state, python: value }), `${path} state`), {
          class: "mono",
          list: "callables",
        }),
        { path: `${path}state.python`, wide: true },
      ),
    );
  const fields = declared.fields ?? {};
  const change = (work, key, again) =>
    ui.change(
      (one) => {
        const next = structuredClone(one.state?.fields ?? {});
        const done = work(next) ?? next;
        put(one, "state", Object.keys(done).length ? { ...one.state, fields: done } : undefined, "graph");
      },
      `${path} state ${key}`,
      again,
    );
  const renamed = (before, after) =>
    change(
      (next) => Object.fromEntries(Object.entries(next).map(([name, schema]) => [name === before ? after : name, schema])),
      null,
      true,
    );
  const free = () => {
    for (let number = 1; ; number += 1) if (!(`field_${number}` in fields)) return `field_${number}`;
  };
  const row = ([name, schema]) =>
    h(
      "tr",
      {},
      h(
        "td",
        {},
        line(name, () => {}, {
          "aria-label": `Name of the field ${name}`,
          "data-focus": `state ${name}`,
          onchange: (event) => event.target.value.trim() && renamed(name, event.target.value.trim()),
        }),
      ),
      h(
        "td",
        {},
        choice(
          schema.type,
          TYPES.map((one) => [one, one]),
          (value) =>
            change(
              (next) => {
                next[name] = { ...next[name], type: value };
                delete next[name].default;
              },
              `${name} type`,
              true,
            ),
          { "aria-label": `Type of ${name}` },
        ),
      ),
      h(
        "td",
        {},
        initial(
          name,
          schema,
          (value) =>
            change((next) => {
              if (value === undefined) delete next[name].default;
              else next[name].default = value;
            }, `${name} default`),
          `${path}state.fields.${name}`,
        ),
      ),
      h(
        "td",
        {},
        sign("×", `Remove the field ${name}`, () =>
          change(
            (next) => {
              delete next[name];
            },
            null,
            true,
          ),
        ),
      ),
    );
  const rows = Object.entries(fields);
  return h(
    "fieldset",
    { class: "stack tight", "data-path": `${path}state` },
    h("legend", {}, "State"),
    h(
      "p",
      { class: "quiet hint" },
      "Typed values beside the messages: guards read them as state.name, nodes change them, a run begins with them.",
    ),
    rows.length
      ? h(
          "table",
          { class: "state-fields" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ["Name", "Type", "At first", ""].map((title) => h("th", { scope: "col" }, title || h("span", { class: "unseen" }, "Remove"))),
            ),
          ),
          h("tbody", {}, rows.map(row)),
        )
      : null,
    h(
      "div",
      { class: "row" },
      h(
        "button",
        {
          type: "button",
          onclick: () => {
            const name = free();
            change(
              (next) => {
                next[name] = { type: "string", default: "" };
              },
              null,
              `state ${name}`,
            );
          },
        },
        "Add a field",
      ),
    ),
  );
}

function initial(name, schema, change, path) {
  const label = { "aria-label": `First value of ${name}`, "data-path": path };
  if (schema.type === "integer" || schema.type === "number")
    return figure(schema.default, change, { ...label, step: schema.type === "integer" ? 1 : "any", placeholder: "required" });
  if (schema.type === "boolean")
    return choice(
      schema.default === undefined ? "" : String(schema.default),
      [
        ["", "required"],
        ["true", "true"],
        ["false", "false"],
      ],
      (value) => change(value === "" ? undefined : value === "true"),
      label,
    );
  if (schema.type === "array" || schema.type === "object")
    return json(schema.default, change, { ...label, rows: 1, placeholder: "required" });
  return line(schema.default, (value) => change(value), label);
}
