// The model of an agent: which one, where it is served, or what it replies by script; and whether it can be reached.

import { post } from "../api.js";
import { fill, h } from "../dom.js";
import { seconds } from "../words.js";
import { box, choice, field, figure, json, line, lines, sign } from "./fields.js";

const KINDS = [
  ["standard", "The standard model"],
  ["endpoint", "A model by name, at any OpenAI-compatible endpoint"],
  ["scripted", "Scripted replies: no key, no network"],
  ["none", "No model"],
  ["other", "Something else, as JSON"],
];
const PLAIN = ["type", "model", "base_url", "params"];

function kindOf(model) {
  if (model === undefined) return "standard";
  if (model === null) return "none";
  if (typeof model === "string") return "endpoint";
  if (model.type === "scripted") return "scripted";
  const plain =
    (model.type ?? "openai_chat") === "openai_chat" &&
    Object.keys(model).every((key) => PLAIN.includes(key)) &&
    Object.keys(model.params ?? {}).every((key) => key === "temperature");
  return plain ? "endpoint" : "other";
}

const FIRST = {
  standard: undefined,
  none: null,
  endpoint: "",
  scripted: { type: "scripted", replies: ["Hello."], repeat: true },
  other: { type: "fallback", models: [] },
};

/** The form. `change(model, again)` is told the new description; with `again` the form has another shape. `standard` names that model. */
export function modelForm(model, change, { path, standard, allowNone = true, name }) {
  const kind = kindOf(model);
  let now = model;
  const take = (next, again) => change((now = next), again);
  const kinds = KINDS.filter(([one]) => allowNone || one !== "none").map(([one, words]) => [
    one,
    one === "standard" ? `${words} (${standard})` : words,
  ]);
  const chosen = field(
    "Model",
    choice(kind, kinds, (next) => take(next === "endpoint" ? standard : FIRST[next], true)),
    { path },
  );
  return h(
    "fieldset",
    { class: "stack tight" },
    h("legend", {}, name ?? "Model"),
    chosen,
    SHAPES[kind](model, take, path),
    kind === "none" ? null : trial(() => (now === undefined ? standard : now)),
  );
}

const SHAPES = {
  standard: () =>
    h(
      "p",
      { class: "quiet hint" },
      "Which one that is, and its key, is said by the environment of the studio: CONVGRAPH_MODEL, OPENAI_API_KEY.",
    ),
  none: () => h("p", { class: "quiet hint" }, "It speaks by its person, its tools or its standing reply."),
  endpoint,
  scripted,
  other: (model, change, path) =>
    field(
      "Its description",
      json(model, (next) => change(next ?? null)),
      { path: `${path}.type`, hint: "Types: openai_responses, fallback, cached, structured, similarity …" },
    ),
};

function endpoint(model, change, path) {
  const now = { ...(typeof model === "string" ? { model } : model) };
  const set = (key, value) => {
    if (value === undefined || value === "") delete now[key];
    else now[key] = value;
    change(Object.keys(now).length === 1 && "model" in now ? now.model : { ...now });
  };
  return h(
    "div",
    { class: "edit-grid" },
    field(
      "Its name",
      line(now.model, (value) => set("model", value), { placeholder: "gpt-5.5, llama3.2 …" }),
      { path: `${path}.model` },
    ),
    field(
      "Temperature",
      figure(now.params?.temperature, (value) => set("params", value === undefined ? undefined : { ...now.params, temperature: value }), {
        step: 0.1,
        min: 0,
        max: 2,
        placeholder: "its own",
      }),
      { path: `${path}.params` },
    ),
    field(
      "Address",
      line(now.base_url, (value) => set("base_url", value), { placeholder: "OpenAI's, or OPENAI_BASE_URL" }),
      {
        path: `${path}.base_url`,
        hint: "As in http://localhost:11434/v1. Keys are never written here: they are read from OPENAI_API_KEY.",
        wide: true,
      },
    ),
  );
}

function scripted(model, change, path) {
  const isMap = model.replies !== undefined && !Array.isArray(model.replies);
  const list = field(
    "Replies, one a line, in order",
    lines(
      (isMap ? [] : (model.replies ?? [])).map((reply) => (typeof reply === "string" ? reply : JSON.stringify(reply))).join("\n"),
      (text) => change({ ...model, replies: text.split("\n").filter((reply) => reply !== "") }),
    ),
    { path: `${path}.replies`, wide: true },
  );
  const turn = box("Reply by what was said last", isMap, (on) =>
    change(
      {
        ...model,
        replies: on ? { ".*": (model.replies ?? [])[0] ?? "Hello." } : Object.values(model.replies ?? {}).map(String),
        repeat: on ? undefined : true,
      },
      true,
    ),
  );
  const repeat = isMap
    ? null
    : box("Give the last one again and again", model.repeat === true, (on) => change({ ...model, repeat: on || undefined }));
  return h("div", { class: "stack tight" }, isMap ? byPattern(model, change, path) : list, turn, repeat);
}

function byPattern(model, change, path) {
  const pairs = Object.entries(model.replies);
  const send = (again) => change({ ...model, replies: Object.fromEntries(pairs) }, again);
  const rows = pairs.map((pair, index) =>
    h(
      "div",
      { class: "reply-pair" },
      h("input", {
        class: "mono",
        "aria-label": `When the last message has (${index + 1})`,
        ".value": pair[0],
        oninput: (event) => {
          pairs[index] = [event.target.value, pair[1]];
          pair[0] = event.target.value;
          send();
        },
      }),
      h("textarea", {
        rows: 2,
        "aria-label": `Reply (${index + 1})`,
        ".value": typeof pair[1] === "string" ? pair[1] : JSON.stringify(pair[1]),
        oninput: (event) => {
          pair[1] = event.target.value;
          pairs[index] = [pair[0], pair[1]];
          send();
        },
      }),
      sign("×", `Remove reply ${index + 1}`, () => {
        pairs.splice(index, 1);
        send(true);
      }),
    ),
  );
  return h(
    "div",
    { class: "stack tight", "data-path": `${path}.replies` },
    h(
      "p",
      { class: "quiet hint" },
      "On the left what the last message has in it (a regular expression; the first that fits counts), on the right the reply.",
    ),
    rows,
    h(
      "button",
      {
        type: "button",
        onclick: () => {
          pairs.push([`word-${pairs.length + 1}`, ""]);
          send(true);
        },
      },
      "Add a reply",
    ),
  );
}

/** The button that asks the model one short question. */
function trial(current) {
  const said = h("p", { class: "trial", role: "status" });
  const button = h("button", { type: "button", onclick: () => ask() }, "Test the connection");
  async function ask() {
    button.disabled = true;
    fill(said, h("span", { class: "quiet" }, "Asking …"));
    try {
      const answer = await post("/api/models/test", { model: current() });
      fill(
        said,
        answer.ok
          ? h("span", { class: "answered" }, `It answers, in ${seconds(answer.seconds)}: “${answer.reply}”`)
          : h("span", { class: "problem" }, answer.problem),
      );
    } catch (error) {
      fill(said, h("span", { class: "problem" }, error.message));
    }
    button.disabled = false;
  }
  return h("div", { class: "row trial-row" }, button, said);
}
