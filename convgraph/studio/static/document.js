// A graph's document (what its YAML holds) as plain data: how its parts are found and changed. Ids are the picture's: `review/critic`, `#3`.

const ORDER = {
  graph: ["version", "name", "start", "state", "select", "fallback", "limits", "detail", "nodes", "edges"],
  node: [
    "name",
    "kind",
    "description",
    "detail",
    "graph",
    "branches",
    "over",
    "concurrency",
    "distributed",
    "select",
    "fallback",
    "retry",
    "timeout",
    "view",
  ],
  edge: ["from", "to", "when", "python", "priority", "label", "on", "view"],
  detail: [
    "type",
    "system_message",
    "model",
    "default_auto_reply",
    "tools",
    "executes",
    "response_format",
    "code_execution",
    "max_consecutive_auto_reply",
    "human_input_mode",
    "is_termination_msg",
  ],
};

/** Set a field of a `graph`, `node`, `edge` or `detail` at its place in the usual order; nothing at all takes it away. */
export function put(object, key, value, kind) {
  const none =
    value === undefined ||
    value === "" ||
    (typeof value === "object" && value !== null && !Array.isArray(value) && !Object.keys(value).length);
  if (none) {
    delete object[key];
    return;
  }
  const isNew = !(key in object);
  object[key] = value;
  if (!isNew) return;
  const order = ORDER[kind] ?? [];
  const place = (name) => (order.includes(name) ? order.indexOf(name) : order.length);
  const entries = Object.entries(object).sort(([one], [other]) => place(one) - place(other));
  for (const name of Object.keys(object)) delete object[name];
  Object.assign(object, Object.fromEntries(entries));
}

/** The graph inside the nodes of these names, `[]` the outermost; null where there is none. */
export function graphIn(document, scope) {
  let graph = document;
  for (const name of scope) graph = graph?.nodes?.find((node) => node.name === name)?.graph;
  return graph ?? null;
}

/** Where the graph at `scope` stands in the document: `nodes[2].graph.`, empty for the outermost. */
export function placeOf(document, scope) {
  let place = "";
  let graph = document;
  for (const name of scope) {
    const index = graph?.nodes?.findIndex((node) => node.name === name) ?? -1;
    if (index < 0) return place;
    place += `nodes[${index}].graph.`;
    graph = graph.nodes[index].graph;
  }
  return place;
}

/** What the picture's id stands for: `{kind: "node" | "edge", value, scope, index}`, or null. */
export function partOf(document, id) {
  const edge = /^(.*)#(\d+)$/.exec(id);
  const names = (edge ? edge[1] : id).split("/").filter(Boolean);
  if (edge) {
    const value = graphIn(document, names)?.edges?.[Number(edge[2])];
    return value ? { kind: "edge", value, scope: names, index: Number(edge[2]) } : null;
  }
  let list = document.nodes ?? [];
  let scope = [];
  let value = null;
  for (const [depth, name] of names.entries()) {
    const found = list.find((node) => node.name === name);
    if (!found) return null;
    if (depth === names.length - 1)
      return { kind: "node", value: found, scope, index: list.indexOf(found), inside: value?.branches ? value.name : null };
    if (found.graph) {
      scope = [...scope, name];
      list = found.graph.nodes ?? [];
    } else {
      list = found.branches ?? [];
    }
    value = found;
  }
  return null;
}

/** Give a node another name, in everything that names it. */
export function rename(graph, before, after) {
  const node = graph.nodes.find((one) => one.name === before);
  if (!node) return;
  node.name = after;
  if (node.graph && node.graph.name === before) node.graph.name = after;
  const renamed = (name) => (name === before ? after : name);
  if (graph.start) graph.start = renamed(graph.start);
  if (graph.fallback) graph.fallback = renamed(graph.fallback);
  for (const one of graph.nodes) if (one.fallback) one.fallback = renamed(one.fallback);
  for (const edge of graph.edges ?? []) {
    edge.from = renamed(edge.from);
    edge.to = renamed(edge.to);
    if (edge.when)
      edge.when = edge.when.replaceAll(`visits["${before}"]`, `visits["${after}"]`).replaceAll(`visits['${before}']`, `visits['${after}']`);
  }
  for (const named of [graph.limits?.visits, graph.detail?.selectors]) {
    if (named && typeof named === "object" && before in named) {
      named[after] = named[before];
      delete named[before];
    }
  }
}

/** Take a node away, with the edges that touch it. */
export function removeNode(graph, name) {
  graph.nodes = graph.nodes.filter((node) => node.name !== name);
  graph.edges = (graph.edges ?? []).filter((edge) => edge.from !== name && edge.to !== name);
  if (graph.start === name) delete graph.start;
  if (graph.fallback === name) delete graph.fallback;
}

/** A name like `wanted` that none of the list has. */
export function freeName(list, wanted) {
  const taken = new Set(list.map((one) => one.name));
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    if (!taken.has(name)) return name;
  }
}

/** What a new node says of itself. */
export function newNode(kind, list) {
  const agent = (name, type) => ({ name: freeName(list, name), kind: "agent", detail: { type } });
  if (kind === "agent") return agent("agent", "AssistantAgent");
  if (kind === "person")
    return { ...agent("person", "UserProxyAgent"), detail: { type: "UserProxyAgent", code_execution: null, human_input_mode: "ALWAYS" } };
  if (kind === "function") return { name: freeName(list, "function"), kind, detail: { type: "function", call: "" } };
  if (kind === "parallel")
    return {
      name: freeName(list, "group"),
      kind,
      branches: [agent("member", "AssistantAgent"), { ...agent("member", "AssistantAgent"), name: "member-2" }],
    };
  if (kind === "foreach") return { name: freeName(list, "each"), kind, branches: [agent("worker", "AssistantAgent")], over: "state.items" };
  const name = freeName(list, "conversation");
  const inner = agent("agent", "AssistantAgent");
  return { name, kind: "graph", graph: { name, start: inner.name, nodes: [inner], edges: [{ from: inner.name, to: "END" }] } };
}

/** A node's kind in a word for people. */
export function kindOf(node) {
  if (node.kind === "agent") return node.detail?.type === "UserProxyAgent" ? "person" : "agent";
  return { function: "function", parallel: "in parallel", foreach: "for each", graph: "sub-graph" }[node.kind] ?? node.kind ?? "?";
}

/** A model's description in a line. */
export function modelWords(model) {
  if (model === null) return "none";
  if (model === undefined) return "the standard model";
  if (typeof model === "string") return model;
  if (model.type === "scripted") return "scripted replies";
  if (model.type === "fallback") return (model.models ?? []).map(modelWords).join(", else ");
  return [
    typeof model.model === "object" ? modelWords(model.model) : (model.model ?? model.type),
    model.base_url ? `at ${model.base_url}` : "",
  ]
    .filter(Boolean)
    .join(" ");
}
