// The edges in the order in which they are considered: from where, to where, when, and what happens besides.

import { put } from "../document.js";
import { fill, h } from "../dom.js";
import { choice, field, figure, line, sign } from "./fields.js";
import { guardField } from "./guard_field.js";

/** The list of edges. `ui` is the editor, as for `nodeRow`. */
export function edgeList(graph, path, prefix, ui) {
  const edges = graph.edges ?? [];
  const last = graph.nodes?.at(-1)?.name;
  const add = () => {
    ui.opened.add(`${prefix}#${edges.length}`);
    ui.change(
      (one) =>
        (one.edges ??= []).push({ from: edges.at(-1)?.to && edges.at(-1).to !== "END" ? edges.at(-1).to : (last ?? "START"), to: "END" }),
      null,
      `from ${edges.length}`,
    );
  };
  return h(
    "div",
    { class: "stack" },
    h(
      "p",
      { class: "quiet hint" },
      "Of the edges that leave a node, the first one whose guard holds is taken: higher priority first, then from top to bottom. An edge without a guard always holds.",
    ),
    h(
      "ol",
      { class: "entries" },
      edges.map((edge, index) => edgeRow(edge, index, edges.length, `${path}edges[${index}]`, `${prefix}#${index}`, ui)),
    ),
    h("div", { class: "row" }, h("button", { type: "button", class: "main", disabled: !graph.nodes?.length, onclick: add }, "Add an edge")),
  );
}

function edgeRow(edge, index, count, path, id, ui) {
  const open = ui.opened.has(id);
  const show = () => {
    if (open) ui.opened.delete(id);
    else ui.opened.add(id);
    ui.show(id, "edge");
    ui.render(`open ${id}`);
  };
  const move = (by) => {
    const to = index + by;
    if (to < 0 || to >= count) return;
    const there = id.replace(/#\d+$/, `#${to}`);
    const [wasHere, wasThere] = [ui.opened.has(id), ui.opened.has(there)];
    for (const [one, was] of [
      [id, wasThere],
      [there, wasHere],
    ])
      was ? ui.opened.add(one) : ui.opened.delete(one);
    ui.change((graph) => graph.edges.splice(to, 0, graph.edges.splice(index, 1)[0]), null, `open ${there}`);
  };
  const keys = (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!event.altKey || !by) return;
    event.preventDefault();
    move(by);
  };
  const named = `${edge.from} → ${edge.to}`;
  const said = h("button", {
    type: "button",
    class: "plain entry-name",
    "aria-expanded": String(open),
    "aria-keyshortcuts": "Alt+ArrowUp Alt+ArrowDown",
    "data-focus": `open ${id}`,
    onclick: show,
  });
  const say = (now) =>
    fill(
      said,
      h("span", { class: "fold", "aria-hidden": "true" }, open ? "▾" : "▸"),
      h("strong", {}, `${now.from} → ${now.to}`),
      inShort(now),
    );
  const head = h(
    "div",
    { class: "row entry-head", onkeydown: keys, "data-part": id },
    said,
    sign("↑", `Move ${named} up`, () => move(-1), { disabled: index === 0 }),
    sign("↓", `Move ${named} down`, () => move(1), { disabled: index === count - 1 }),
    sign("×", `Remove ${named}`, () => ui.change((graph) => graph.edges.splice(index, 1), null, true)),
  );
  say(edge);
  ui.heads.set(id, (graph) => graph.edges?.[index] && say(graph.edges[index]));
  return h("li", { class: "entry" }, head, open ? h("div", { class: "stack entry-body" }, edgeForm(edge, index, path, ui)) : null);
}

function inShort(edge) {
  return [
    edge.on && edge.on !== "reply" ? h("span", { class: "badge warning" }, `on ${edge.on}`) : null,
    edge.priority ? h("span", { class: "badge" }, `priority ${edge.priority}`) : null,
    edge.label ? h("span", { class: "quiet" }, edge.label) : null,
    edge.when || edge.python ? h("code", { class: "said" }, edge.when ?? edge.python) : null,
  ];
}

function edgeForm(edge, index, path, ui) {
  const set = (key, again) => (value) => ui.change((graph) => put(graph.edges[index], key, value, "edge"), `${path} ${key}`, again);
  const names = ui.nodeNames().map((name) => [name, name]);
  return [
    h(
      "div",
      { class: "edit-grid" },
      field("From", choice(edge.from, [["START", "START (who begins)"], ...names], set("from", true), { "data-focus": `from ${index}` }), {
        path: `${path}.from`,
      }),
      field("To", choice(edge.to, [...names, ["END", "END"]], set("to", true)), { path: `${path}.to` }),
    ),
    edge.python
      ? field("When (a Python function)", line(edge.python, set("python"), { class: "mono", list: "callables" }), {
          path: `${path}.python`,
          wide: true,
        })
      : guardField("When", edge.when, set("when"), {
          path: `${path}.when`,
          palette: ui.palette,
          state: ui.stateFields(),
          nodes: ui.nodeNames(),
        }),
    h(
      "div",
      { class: "edit-grid" },
      field("Label", line(edge.label, set("label")), { path: `${path}.label` }),
      field(
        "Taken",
        choice(
          edge.on ?? "reply",
          ui.palette.on.map((one) => [one.name, one.summary]),
          (value) => set("on", true)(value === "reply" ? undefined : value),
        ),
        { path: `${path}.on` },
      ),
      field(
        "Priority",
        figure(edge.priority, (value) => set("priority")(value || undefined), { step: 1, placeholder: "0" }),
        { path: `${path}.priority` },
      ),
    ),
  ];
}
