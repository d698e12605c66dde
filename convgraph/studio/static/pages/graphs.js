// The graphs: those that the studio was given, those in its folder, and the gallery.

import { get } from "../api.js";
import { beginRun } from "../begin_run.js";
import { fill, h } from "../dom.js";
import { complain } from "../notices.js";

const SECTIONS = [
  ["Your graphs", (graph) => graph.kind !== "gallery"],
  ["Gallery", (graph) => graph.kind === "gallery"],
];
const FROM = { python: "Python", document: "YAML", gallery: "example" };

export async function show(main) {
  const [graphs, session] = await Promise.all([get("/api/graphs"), get("/api/session")]);
  const search = h("input", { type: "search", "aria-label": "Find a graph", placeholder: "Find a graph", oninput: () => list() });
  const place = h("div", { class: "stack" });
  const list = () => {
    const said = search.value.trim().toLowerCase();
    const fits = (graph) => `${graph.name} ${graph.description} ${graph.target}`.toLowerCase().includes(said);
    fill(
      place,
      SECTIONS.map(([title, belongs]) => section(title, graphs.filter(belongs), fits, session)),
    );
  };
  list();
  fill(
    main,
    h(
      "section",
      { class: "stack graphs" },
      h(
        "div",
        { class: "row spread" },
        h("h1", {}, "Graphs"),
        h("div", { class: "row" }, search, h("a", { class: "button main", href: "#/edit" }, "New graph")),
      ),
      place,
    ),
  );
}

function section(title, graphs, fits, session) {
  const shown = graphs.filter(fits);
  const id = `section-${title.split(" ").at(-1).toLowerCase()}`;
  return h(
    "section",
    { class: "stack", "aria-labelledby": id },
    h("h2", { id }, title, " ", h("span", { class: "quiet num" }, shown.length)),
    about(title, graphs, session),
    h("ul", { class: "cards" }, shown.map(card)),
    graphs.length && !shown.length ? h("p", { class: "quiet" }, "None fits.") : null,
  );
}

function about(title, graphs, session) {
  if (title === "Gallery")
    return h(
      "p",
      { class: "quiet" },
      "What graphs can do. They need no key and no network: look, run, and open one as a copy to make your own.",
    );
  if (graphs.length)
    return session.folder
      ? h("p", { class: "quiet" }, "Graphs that you write here are saved in ", h("code", {}, session.folder), ".")
      : null;
  return h(
    "p",
    { class: "quiet" },
    "None yet. Write a ",
    h("a", { href: "#/edit" }, "new graph"),
    ", open a copy of one below, or start the studio with your own: ",
    h("code", {}, "convgraph studio file.py:graph"),
  );
}

function card(graph) {
  const look = `#/graph/${graph.id}`;
  const broken = graph.problem !== "";
  const edit = graph.kind === "python" || (broken && !graph.editable) ? null : `#/edit/${graph.id}`;
  const picture = h("img", { src: `/api/graphs/${graph.id}/picture.svg`, alt: "", loading: "lazy" });
  return h(
    "li",
    { class: `card graph-card${broken ? " broken" : ""}` },
    broken ? null : h("a", { class: "small-picture", href: look, tabindex: "-1", "aria-hidden": "true" }, picture),
    h(
      "div",
      { class: "stack tight" },
      h("h3", {}, broken ? graph.name : h("a", { href: look }, graph.name)),
      h("div", { class: "row tight" }, badges(graph)),
      h(
        "p",
        { class: broken ? "problem" : "said" },
        broken ? graph.problem.replace(`${graph.target}: `, "") : graph.description || fileOf(graph.target),
      ),
      h(
        "div",
        { class: "row tight end" },
        broken || graph.errors
          ? null
          : h("button", { "aria-label": `Run ${graph.name}`, onclick: () => beginRun(graph.id).catch(complain) }, "Run"),
        edit
          ? h(
              "a",
              { class: "button", href: edit, "aria-label": `${graph.editable ? "Edit" : "Copy and edit"} ${graph.name}` },
              graph.editable ? "Edit" : "Copy and edit",
            )
          : null,
      ),
    ),
  );
}

export function badges(graph) {
  return [
    h("span", { class: "badge" }, FROM[graph.kind]),
    graph.nodes ? h("span", { class: "badge" }, `${graph.nodes} node${graph.nodes === 1 ? "" : "s"}`) : null,
    graph.problem ? h("span", { class: "badge error" }, "not a graph yet") : null,
    graph.errors ? h("span", { class: "badge error" }, `${graph.errors} error${graph.errors === 1 ? "" : "s"}`) : null,
    graph.warnings ? h("span", { class: "badge warning" }, `${graph.warnings} warning${graph.warnings === 1 ? "" : "s"}`) : null,
  ];
}

const fileOf = (target) => target.split("/").at(-1);
