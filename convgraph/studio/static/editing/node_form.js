// A node: its name, what kind of speaker it is, and what that kind is made of. Members of a group are shown inside it.

import { freeName, kindOf, modelWords, newNode, put, removeNode, rename } from "../document.js";
import { fill, h } from "../dom.js";
import { choice, field, figure, json, line, lines, sign } from "./fields.js";
import { guardField } from "./guard_field.js";
import { modelForm } from "./model_form.js";

export const NEW_NODES = [
  ["agent", "Agent", "a model with a prompt"],
  ["person", "Person", "somebody who is asked"],
  ["function", "Function", "a Python function that has the turn"],
  ["parallel", "Group in parallel", "several speak at the same time"],
  ["foreach", "For each", "one for each item of a list"],
  ["graph", "Sub-graph", "a conversation inside this one"],
];
const PERSON = [
  ["", "as is usual for its type"],
  ["NEVER", "never"],
  ["TERMINATE", "when the chat would end"],
  ["ALWAYS", "every time"],
];
const CODE = [
  ["", "as is usual for its type"],
  ["none", "nowhere"],
  ["DockerCommandLineCodeExecutor", "in a container (Docker)"],
  ["BubblewrapCodeExecutor", "in a sandbox (bubblewrap)"],
  ["LocalCommandLineCodeExecutor", "on this machine, unprotected"],
];
const SHOWN = [
  "type",
  "system_message",
  "model",
  "human_input_mode",
  "tools",
  "code_execution",
  "default_auto_reply",
  "max_consecutive_auto_reply",
  "call",
];

/**
 * One node of a list as a row that opens. `at` says where the list stands: `{list(graph), path, parent}`; `ui` is the editor:
 * `opened` and `heads` by id, `change(work, key, again)`, `render(focus)`, `enter(name)`, `palette`, `session`.
 */
export function nodeRow(node, index, at, ui) {
  const id = at.parent ? `${at.parent}/${node.name}` : node.name;
  const path = `${at.path}[${index}]`;
  const open = ui.opened.has(id);
  const show = () => {
    if (open) ui.opened.delete(id);
    else ui.opened.add(id);
    ui.show(id, "node");
    ui.render(`open ${id}`);
  };
  const said = h("button", {
    type: "button",
    class: "plain entry-name",
    "aria-expanded": String(open),
    "data-focus": `open ${id}`,
    onclick: show,
  });
  const say = (now) =>
    fill(
      said,
      h("span", { class: "fold", "aria-hidden": "true" }, open ? "▾" : "▸"),
      h("strong", {}, now.name),
      h("span", { class: "badge" }, kindOf(now)),
      h("span", { class: "quiet said" }, inShort(now)),
    );
  const head = h(
    "div",
    { class: "row entry-head", "data-part": id },
    said,
    sign("×", `Remove ${node.name}`, () =>
      ui.change((graph) => (at.parent ? at.list(graph).splice(index, 1) : removeNode(graph, node.name)), null, true),
    ),
  );
  say(node);
  ui.heads.set(id, (graph) => at.list(graph)[index] && say(at.list(graph)[index]));
  return h("li", { class: "entry" }, head, open ? h("div", { class: "stack entry-body" }, nodeForm(node, index, at, ui, path, id)) : null);
}

function inShort(node) {
  if (node.kind === "agent")
    return node.detail?.type === "UserProxyAgent" && node.detail?.model === undefined ? "" : modelWords(node.detail?.model);
  if (node.branches) return node.branches.map((one) => one.name).join(", ");
  return node.graph ? `${node.graph.nodes?.length ?? 0} nodes` : (node.detail?.call ?? "");
}

function nodeForm(node, index, at, ui, path, id) {
  const edit = (work, key, again) => ui.change((graph) => work(at.list(graph)[index]), `${path} ${key}`, again);
  const set = (key, again) => (value) => edit((one) => put(one, key, value, "node"), key, again);
  return [
    h(
      "div",
      { class: "edit-grid" },
      field(
        "Name",
        line(node.name, () => {}, { onchange: (event) => named(event.target, node, index, at, ui, id) }),
        { path: `${path}.name` },
      ),
      node.kind === "agent"
        ? field(
            "Type",
            choice(
              node.detail?.type,
              ui.palette.agents.map((one) => [one.name, `${one.name}: ${one.summary}`]),
              (value) => edit((one) => put(one.detail, "type", value, "detail"), "type", true),
            ),
            { path: `${path}.detail.type` },
          )
        : null,
      field("Description", line(node.description, set("description"), { placeholder: "what a selecting model is told about it" }), {
        path: `${path}.description`,
        wide: true,
      }),
    ),
    (KINDS[node.kind] ?? (() => null))(node, { edit, set, path, ui, id, at, index }),
    rest(node, { edit, set, path, ui, at }),
  ];
}

function named(input, node, index, at, ui, id) {
  const name = input.value.trim();
  if (!name || name === node.name) return;
  ui.opened.delete(id);
  ui.opened.add(at.parent ? `${at.parent}/${name}` : name);
  ui.change((graph) => (at.parent ? (at.list(graph)[index].name = name) : rename(graph, node.name, name)), null, true);
}

const KINDS = { agent, function: fn, parallel, foreach, graph };

function agent(node, { edit, path, ui }) {
  const detail = node.detail ?? {};
  const setDetail = (key, again) => (value) => edit((one) => put(one.detail, key, value, "detail"), key, again);
  const isPerson = detail.type === "UserProxyAgent";
  const model = isPerson && detail.model === undefined ? null : detail.model;
  const takeModel = (next, again) =>
    edit(
      (one) => {
        const value = isPerson && next === null ? undefined : next;
        if (value === undefined) delete one.detail.model;
        else put(one.detail, "model", value, "detail");
      },
      "model",
      again,
    );
  const others = Object.fromEntries(Object.entries(detail).filter(([key]) => !SHOWN.includes(key)));
  const code = detail.code_execution === null ? "none" : (detail.code_execution?.type ?? "");
  return [
    isPerson
      ? null
      : field("Prompt", lines(detail.system_message, setDetail("system_message"), { placeholder: "Who it is, and what it is to do" }), {
          path: `${path}.detail.system_message`,
          wide: true,
        }),
    modelForm(model, takeModel, { path: `${path}.detail.model`, standard: ui.session.default_model }),
    h(
      "div",
      { class: "edit-grid" },
      field("A person is asked", choice(detail.human_input_mode, PERSON, setDetail("human_input_mode")), {
        path: `${path}.detail.human_input_mode`,
      }),
      field(
        "Runs others' code",
        choice(code, CODE, (value) =>
          edit(
            (one) => {
              if (value === "none") put(one.detail, "code_execution", null, "detail");
              else put(one.detail, "code_execution", value && { type: value }, "detail");
            },
            "code",
            false,
          ),
        ),
        { path: `${path}.detail.code_execution` },
      ),
    ),
    tools(
      detail.tools ?? [],
      ui.palette,
      (list, again) => edit((one) => put(one.detail, "tools", list.length ? list : undefined, "detail"), "tools", again),
      `${path}.detail.tools`,
    ),
    h(
      "details",
      {
        open: Object.keys(others).length > 0 || detail.default_auto_reply !== undefined || detail.max_consecutive_auto_reply !== undefined,
      },
      h("summary", {}, "Standing reply, form of answers and others"),
      h(
        "div",
        { class: "edit-grid" },
        field(
          "Standing reply",
          line(detail.default_auto_reply, setDetail("default_auto_reply"), { placeholder: "when nothing else has one" }),
          { path: `${path}.detail.default_auto_reply` },
        ),
        field(
          "Replies until a person is asked",
          figure(detail.max_consecutive_auto_reply, setDetail("max_consecutive_auto_reply"), { min: 0, step: 1 }),
          { path: `${path}.detail.max_consecutive_auto_reply` },
        ),
      ),
      field(
        "Everything else, as JSON",
        json(Object.keys(others).length ? others : undefined, (value) =>
          edit((one) => {
            for (const key of Object.keys(one.detail)) if (!SHOWN.includes(key)) delete one.detail[key];
            Object.assign(one.detail, value ?? {});
          }, "others"),
        ),
        { path: `${path}.detail`, hint: "response_format, executes, is_termination_msg", wide: true },
      ),
    ),
  ];
}

function tools(list, palette, change, path) {
  const offered = palette.callables.filter((one) => one.kind !== "state");
  const rows = list.map((tool, index) =>
    h(
      "div",
      { class: "row" },
      h("code", {}, tool.call ?? tool.function?.name ?? "?"),
      tool.call ? null : h("span", { class: "quiet" }, "(somebody else carries it out)"),
      sign("×", `Remove the tool ${tool.call ?? ""}`, () =>
        change(
          list.filter((_, place) => place !== index),
          true,
        ),
      ),
    ),
  );
  const more = line("", () => {}, {
    placeholder: "package.module:name",
    list: "callables",
    "data-focus": "new tool",
    "aria-label": "Function to add as a tool",
  });
  const add = () => more.value.trim() && change([...list, { type: "function", call: more.value.trim() }], true);
  return h(
    "fieldset",
    { class: "stack tight", "data-path": path },
    h("legend", {}, "Tools"),
    rows,
    h("div", { class: "row" }, more, h("button", { type: "button", onclick: add }, "Add")),
    offered.length
      ? null
      : h(
          "p",
          { class: "quiet hint" },
          palette.allowed.length
            ? "The allowed modules have no functions."
            : "Functions come from modules that the studio may import: start it with --allow MODULE.",
        ),
  );
}

function fn(node, { edit, path, ui }) {
  return field(
    "Function",
    line(node.detail?.call, (value) => edit((one) => (one.detail = { ...one.detail, type: "function", call: value }), "call"), {
      class: "mono",
      list: "callables",
      placeholder: "package.module:name",
    }),
    {
      path: `${path}.detail.call`,
      hint: ui.palette.allowed.length
        ? `From ${ui.palette.allowed.join(", ")}.`
        : "Only modules that the studio was started with (--allow MODULE) are imported.",
      wide: true,
    },
  );
}

function members(node, { ui, id, at, index, path }, limit) {
  const inner = { list: (graph) => (at.list(graph)[index].branches ??= []), path: `${path}.branches`, parent: id };
  const add = (kind) =>
    ui.change(
      (graph) => {
        const list = inner.list(graph);
        const made = newNode(kind, list);
        list.push({ ...made, name: freeName(list, kind === "agent" ? "member" : made.name) });
      },
      null,
      true,
    );
  const list = node.branches ?? [];
  return h(
    "fieldset",
    { class: "stack tight" },
    h("legend", {}, limit === 1 ? "Who speaks for each item" : "Members"),
    h(
      "ul",
      { class: "entries" },
      list.map((one, place) => nodeRow(one, place, inner, ui)),
    ),
    list.length < limit
      ? h(
          "div",
          { class: "row" },
          h("button", { type: "button", onclick: () => add("agent") }, "Add an agent"),
          h("button", { type: "button", onclick: () => add("function") }, "Add a function"),
        )
      : null,
  );
}

function parallel(node, context) {
  return [members(node, context, 100), together(node, context)];
}

function together(node, { set, path }) {
  return field("At the same time, at most", figure(node.concurrency, set("concurrency"), { min: 1, step: 1, placeholder: "all" }), {
    path: `${path}.concurrency`,
  });
}

function foreach(node, context) {
  return [
    guardField("Runs over", node.over, context.set("over"), {
      path: `${context.path}.over`,
      palette: context.ui.palette,
      state: context.ui.stateFields(),
      nodes: context.ui.nodeNames(),
      hint: "A list, as in state.items.",
    }),
    members(node, context, 1),
    together(node, context),
  ];
}

function graph(node, { ui }) {
  return h(
    "div",
    { class: "row" },
    h("button", { type: "button", onclick: () => ui.enter(node.name) }, `Open ${node.name}`),
    h("span", { class: "quiet" }, "It has nodes, edges and limits of its own."),
  );
}

function rest(node, { edit, set, path, ui, at }) {
  if (at.parent) return null;
  const retry = node.retry ?? {};
  const setRetry = (key) => (value) =>
    edit((one) => {
      const next = { ...one.retry };
      if (value === undefined) delete next[key];
      else next[key] = value;
      put(one, "retry", next, "node");
    }, `retry ${key}`);
  return h(
    "details",
    { open: Boolean(node.retry || node.timeout || node.select || node.fallback) },
    h("summary", {}, "Retries, timeout, who is next"),
    h(
      "div",
      { class: "edit-grid" },
      field("Tries", figure(retry.attempts, setRetry("attempts"), { min: 1, step: 1, placeholder: "1" }), {
        path: `${path}.retry.attempts`,
      }),
      field("Wait before the second, s", figure(retry.wait, setRetry("wait"), { min: 0, step: "any", placeholder: "0.5" }), {
        path: `${path}.retry.wait`,
      }),
      field("Timeout, s", figure(node.timeout, set("timeout"), { min: 0, step: "any", placeholder: "none" }), { path: `${path}.timeout` }),
      field(
        "Who is next",
        choice(node.select, [["", "as in the whole graph"], ...ui.palette.selectors.map((one) => [one.name, one.summary])], set("select")),
        { path: `${path}.select` },
      ),
      field(
        "If undecided",
        choice(node.fallback, [["", "as in the whole graph"], ...ui.targets().map((name) => [name, name])], set("fallback")),
        { path: `${path}.fallback` },
      ),
    ),
  );
}
