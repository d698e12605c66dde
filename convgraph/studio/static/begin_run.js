// The dialog that begins a run.

import { fieldFor } from "./answer_form.js";
import { get, path, post } from "./api.js";
import { fill, h } from "./dom.js";

const LIMITS = [
  ["turns", "Turns", 1],
  ["seconds", "Seconds", "any"],
  ["tokens", "Tokens", 1],
  ["usd", "US dollars", "any"],
];

/**
 * Ask what to begin, of the graph with this id where one is given, and begin it; then its page is shown. A `draft` (`{name, yaml,
 * state_schema}`) is begun as it stands, without being saved.
 */
export async function beginRun(graphId = null, draft = null) {
  const graphs = draft ? [{ id: "", name: draft.name }] : (await get("/api/graphs")).filter((graph) => !graph.problem && !graph.errors);
  const dialog = h("dialog", { "aria-labelledby": "begin-title", onclose: () => dialog.remove() });
  fill(dialog, graphs.length ? form(dialog, graphs, graphId, draft) : nothing(dialog));
  document.body.append(dialog);
  dialog.showModal();
}

function nothing(dialog) {
  return [
    h("h2", { id: "begin-title" }, "There is no graph to run yet"),
    h("p", {}, "Start the studio with one, ", h("code", {}, "convgraph studio file.py:graph"), ", or write one on the page of graphs."),
    h(
      "div",
      { class: "row" },
      h("a", { class: "button", href: "#/graphs", onclick: () => dialog.close() }, "Graphs"),
      h("button", { onclick: () => dialog.close() }, "Close"),
    ),
  ];
}

function form(dialog, graphs, graphId, draft) {
  const graph = h(
    "select",
    { onchange: () => show() },
    graphs.map(({ id, name }) => h("option", { value: id, selected: id === graphId }, name)),
  );
  const said = h("textarea", { rows: 3, placeholder: "What the user says first. May be empty where the graph needs no input." });
  const state = h("div", { class: "stack" });
  const limits = LIMITS.map(([name, words, step]) => [
    name,
    h("input", { type: "number", min: 0, step, class: "num short", "aria-label": words }),
    words,
  ]);
  const labels = h("input", { type: "text", placeholder: "reviewed, nightly" });
  const own = h("input", { type: "radio", name: "models", value: "own", checked: true, onchange: () => scripted() });
  const script = h("input", { type: "radio", name: "models", value: "script", onchange: () => scripted() });
  const replies = h("textarea", {
    rows: 3,
    hidden: true,
    "aria-label": "Replies, one a line",
    placeholder: "One reply a line. After the last, again from the first.",
  });
  const scripted = () => (replies.hidden = !script.checked);
  const wrong = h("p", { class: "problem", role: "alert", hidden: true });
  let fields = null;

  async function show() {
    const chosen = graph.value;
    const { state_schema: schema } = draft ?? (await get(path("api", "graphs", chosen)));
    if (chosen !== graph.value) return;
    fields = schema?.properties ? fieldFor({ ...schema, title: "State", required: [] }, { place: "" }) : null;
    fill(state, fields?.element ?? null);
  }

  async function send(event) {
    event.preventDefault();
    wrong.hidden = true;
    const given = limits.filter(([, control]) => control.value !== "").map(([name, control]) => [name, Number(control.value)]);
    try {
      const row = await post("/api/runs", {
        ...(draft ? { document: draft.yaml } : { graph: graph.value }),
        input: said.value === "" ? null : said.value,
        state: fields?.read() ?? null,
        limits: given.length ? Object.fromEntries(given) : null,
        labels: labels.value
          .split(",")
          .map((label) => label.trim())
          .filter(Boolean),
        models: script.checked ? { replies: replies.value.split("\n").filter((line) => line.trim()) } : null,
      });
      dialog.close();
      location.hash = `#/run/${encodeURIComponent(row.run_id)}`;
    } catch (error) {
      wrong.textContent = error.message;
      wrong.hidden = false;
    }
  }

  show().catch((error) => {
    wrong.textContent = error.message;
    wrong.hidden = false;
  });
  return h(
    "form",
    { class: "stack begin", onsubmit: send },
    h("h2", { id: "begin-title" }, "Begin a run"),
    draft ? h("p", { class: "quiet" }, `${draft.name}, as it stands in the editor; it need not be saved.`) : h("label", {}, "Graph", graph),
    h("label", {}, "Input", said),
    state,
    h(
      "details",
      {},
      h("summary", {}, "Limits, labels"),
      h(
        "div",
        { class: "stack" },
        h(
          "div",
          { class: "row" },
          limits.map(([, control, words]) => h("label", {}, words, control)),
        ),
        h("label", {}, "Labels, with commas between", labels),
      ),
    ),
    h(
      "fieldset",
      {},
      h("legend", {}, "Who answers as the models"),
      h("label", { class: "check" }, own, h("span", {}, "The graph's own models")),
      h("label", { class: "check" }, script, h("span", {}, "Scripted replies, which cost nothing")),
      replies,
    ),
    wrong,
    h(
      "div",
      { class: "row" },
      h("button", { class: "main" }, "Begin"),
      h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
    ),
  );
}
