// What can be told of a graph and its parts: said in words for whoever looks at it, never as code to be read.

import { graphIn, kindOf, modelWords, partOf } from "./document.js";
import { h } from "./dom.js";

const ON = { reply: "after a reply", error: "after an error", limit: "when a limit is used up" };
const SELECT = {
  first: "the first edge whose guard holds",
  round_robin: "each in turn",
  random: "chance",
  auto: "a model",
  manual: "a person",
  callable: "a Python function",
};

/** Pairs of words and values as a list; pairs without a value are left out. */
function facts(pairs) {
  const rows = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false);
  return rows.length
    ? h(
        "dl",
        { class: "facts" },
        rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
      )
    : null;
}

const code = (text) => h("code", {}, text);
const block = (text) => h("pre", { class: "source wrap", tabindex: 0 }, text);
const many = (values) => values.map((value) => h("div", {}, value));

/** Findings as a list; `show(finding)` is called for one that is chosen. */
export function findingList(findings, show) {
  if (!findings.length) return h("p", { class: "quiet" }, "Nothing is wrong with this graph.");
  return h(
    "ul",
    { class: "findings" },
    findings.map((finding) =>
      h(
        "li",
        { class: finding.severity },
        h(
          "button",
          { class: "plain", onclick: () => show(finding) },
          h("span", { class: `badge ${finding.severity}` }, finding.severity),
          " ",
          finding.message,
        ),
        finding.hint ? h("p", { class: "quiet hint" }, finding.hint) : null,
      ),
    ),
  );
}

/** A graph as a whole: how it begins, how it chooses, its limits and its state, and its parts as buttons. */
export function overview(graph, choose) {
  const { document } = graph;
  const limits = document.limits ?? {};
  const state = graph.state_schema?.properties ?? {};
  return [
    graph.description ? h("p", {}, graph.description) : null,
    facts([
      ["Begins with", document.start ?? "a choice among the edges that leave START"],
      ["Who is next", SELECT[document.select ?? "first"]],
      ["Chooses by", document.detail?.selector_model !== undefined ? modelWords(document.detail.selector_model) : null],
      ["If undecided", document.fallback],
      [
        "Limits",
        Object.keys(limits).length
          ? many(
              Object.entries(limits).map(
                ([name, value]) =>
                  `${name}: ${
                    typeof value === "object"
                      ? Object.entries(value)
                          .map(([node, count]) => `${node} ${count}`)
                          .join(", ")
                      : value
                  }`,
              ),
            )
          : "none",
      ],
      [
        "State",
        Object.keys(state).length
          ? many(
              Object.entries(state).map(
                ([name, schema]) =>
                  `${name}: ${typeWords(schema)}${schema.default !== undefined ? ` = ${JSON.stringify(schema.default)}` : ""}`,
              ),
            )
          : null,
      ],
    ]),
    h("h3", {}, "Nodes"),
    h(
      "ul",
      { class: "parts" },
      (document.nodes ?? []).map((node) =>
        h(
          "li",
          {},
          h("button", { class: "plain", onclick: () => choose(node.name, "node") }, node.name),
          h("span", { class: "quiet" }, " ", kindOf(node)),
        ),
      ),
    ),
    h("h3", {}, "Edges"),
    h(
      "ul",
      { class: "parts" },
      (document.edges ?? []).map((edge, index) =>
        h(
          "li",
          {},
          h("button", { class: "plain", onclick: () => choose(`#${index}`, "edge") }, `${edge.from} → ${edge.to}`),
          edge.when
            ? h("code", { class: "quiet" }, " ", edge.when)
            : h("span", { class: "quiet" }, edge.on && edge.on !== "reply" ? ` ${ON[edge.on]}` : edge.label ? ` ${edge.label}` : ""),
        ),
      ),
    ),
  ];
}

const typeWords = (schema) =>
  schema.type ?? (schema.enum ? "one of several" : (schema.anyOf?.map((one) => one.type).join(" or ") ?? "value"));

/** A part of a graph: what is told of a node, a group, or an arrow with all that it stands for. Null where nothing is. */
export function partDetails(document, picture, id, kind, { choose, findings }) {
  if (kind === "edge") return arrow(document, picture, id, { choose, findings });
  const drawn = picture.nodes.find((node) => node.id === id) ?? picture.clusters.find((cluster) => cluster.id === id);
  const part = partOf(document, id);
  if (!part)
    return drawn
      ? [h("h2", {}, drawn.name || SYMBOLS[drawn.shape] || drawn.shape), h("p", { class: "quiet" }, SYMBOL_WORDS[drawn.shape] ?? "")]
      : null;
  return node(document, part, id, drawn, { choose, findings });
}

const SYMBOLS = { start: "START", end: "END" };
const SYMBOL_WORDS = {
  start: "Where the conversation begins.",
  end: "Where the conversation ends.",
  fork: "From here on, several speak at the same time.",
  join: "Here what they have said is joined.",
  hub: "Everyone here may hand over to everyone else.",
  everyone: "Any node of the graph.",
  missing: "An edge names this node, but the graph has none of that name.",
};

function node(document, part, id, drawn, { choose, findings }) {
  const { value } = part;
  const detail = value.detail ?? {};
  const graph = graphIn(document, part.scope);
  const visits = graph?.limits?.visits;
  const out = (graph?.edges ?? []).map((edge, index) => [edge, index]).filter(([edge]) => edge.from === value.name && !part.inside);
  const retry = value.retry;
  return [
    h("div", { class: "row" }, h("h2", {}, id), h("span", { class: "badge" }, kindOf(value))),
    value.description ? h("p", {}, value.description) : null,
    concerning(findings.filter((one) => one.node === id)),
    facts([
      ["Agent", detail.type !== "function" ? detail.type : null],
      ["Function", detail.call ? code(detail.call) : null],
      [
        "Model",
        value.kind === "agent" && detail.type !== "UserProxyAgent"
          ? modelWords(detail.model)
          : detail.model
            ? modelWords(detail.model)
            : null,
      ],
      ["A person is asked", { ALWAYS: "every time", TERMINATE: "when it would end", NEVER: null }[detail.human_input_mode] ?? null],
      ["Tools", detail.tools?.length ? many(detail.tools.map((tool) => code(tool.function?.name ?? tool.call))) : null],
      ["Carries out", detail.executes?.length ? many(detail.executes.map((tool) => code(tool.name))) : null],
      ["Runs code", detail.code_execution ? detail.code_execution.type : null],
      ["Answers as", detail.response_format?.name],
      ["Runs over", value.over ? code(value.over) : null],
      ["At the same time", value.concurrency],
      [
        "Members",
        value.branches?.length
          ? value.branches.map((branch) =>
              h("button", { class: "plain", onclick: () => choose(`${id}/${branch.name}`, "node") }, branch.name),
            )
          : null,
      ],
      [
        "Tried",
        retry
          ? `up to ${retry.attempts ?? 3} times, first after ${retry.wait ?? 0.5} s${retry.on?.length ? `, on ${retry.on.join(", ")}` : ""}`
          : null,
      ],
      ["Timeout", value.timeout ? `${value.timeout} s` : null],
      ["Turns at most", typeof visits === "object" ? visits?.[value.name] : visits],
      ["Who is next", value.select ? SELECT[value.select] : null],
      ["Is shown", value.view ? JSON.stringify(value.view) : null],
      ["Defined in", drawn?.origin ? code(drawn.origin) : null],
    ]),
    detail.system_message ? [h("h3", {}, "Prompt"), block(detail.system_message)] : null,
    out.length
      ? [
          h("h3", {}, "Ways on"),
          h(
            "ol",
            { class: "parts" },
            out
              .sort(([one], [other]) => (other.priority ?? 0) - (one.priority ?? 0))
              .map(([edge, index]) =>
                h(
                  "li",
                  {},
                  h("button", { class: "plain", onclick: () => choose(`${part.scope.join("/")}#${index}`, "edge") }, `→ ${edge.to}`),
                  edge.when
                    ? [" ", code(edge.when)]
                    : edge.python
                      ? [" ", code(edge.python)]
                      : h("span", { class: "quiet" }, edge.on && edge.on !== "reply" ? ` ${ON[edge.on]}` : " otherwise"),
                ),
              ),
          ),
        ]
      : null,
    h("details", {}, h("summary", {}, "All that the definition says"), block(JSON.stringify(value, null, 2))),
  ];
}

function arrow(document, picture, id, { choose, findings }) {
  const drawn = picture.edges.find((edge) => edge.id === id) ?? picture.edges.find((edge) => edge.stands_for.includes(id));
  const ids = drawn && drawn.id === id && drawn.stands_for.length ? drawn.stands_for : [id];
  const parts = ids.map((one) => [one, partOf(document, one)]).filter(([, part]) => part);
  if (!parts.length)
    return drawn
      ? [h("h2", {}, "A connection"), h("p", { class: "quiet" }, "It shows how a group is entered or left; no guard decides it.")]
      : null;
  return [
    parts.length > 1 ? h("p", { class: "quiet" }, `This arrow stands for ${parts.length} edges.`) : null,
    parts.map(([one, { value, scope }]) =>
      h(
        "div",
        { class: "stack tight" },
        h("h2", {}, end(value.from, scope, choose), " → ", end(value.to, scope, choose)),
        concerning(findings.filter((finding) => finding.edge === one)),
        facts([
          ["Taken", ON[value.on ?? "reply"]],
          ["When", value.when ? code(value.when) : value.python ? code(`${value.python}()`) : "always, if no edge before it is taken"],
          ["Label", value.label],
          ["Priority", value.priority ? String(value.priority) : "0, in order of declaration"],
          ["Place", one],
          ["Is shown", value.view ? JSON.stringify(value.view) : null],
          ["Defined in", drawn?.origin ? code(drawn.origin) : null],
        ]),
      ),
    ),
  ];
}

function end(name, scope, choose) {
  return name === "START" || name === "END"
    ? name
    : h("button", { class: "plain", onclick: () => choose([...scope, name].join("/"), "node") }, name);
}

function concerning(findings) {
  return findings.map((finding) =>
    h("p", { class: `finding ${finding.severity}` }, finding.message, finding.hint ? ` ${finding.hint}` : ""),
  );
}
