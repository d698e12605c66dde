// A graph without a run: its picture, what each part of it says, what is wrong with it, and its YAML.

import { get, path } from "../api.js";
import { beginRun } from "../begin_run.js";
import { findingList, overview, partDetails } from "../details.js";
import { fill, h } from "../dom.js";
import { complain, tell } from "../notices.js";
import { PicturePane } from "../picture_pane.js";
import { tabs } from "../tabs.js";
import { badges } from "./graphs.js";

export async function show(main, [id]) {
  if (!id) {
    location.hash = "#/graphs";
    return undefined;
  }
  const [graph, source] = await Promise.all([get(path("api", "graphs", id)), get(path("api", "graphs", id, "source"))]);
  const look = new Look(graph, source);
  fill(main, look.element);
  look.begin();
  return undefined;
}

class Look {
  constructor(graph, source) {
    this.graph = graph;
    this.source = source;
    this.drawn = graph.picture;
    this.turn = 0;
    this.pane = new PicturePane({ select: (id, kind) => this.part(id, kind), close: (ids) => this.close(ids).catch(complain) });
    this.side = h("div", { class: "stack tight" });
    const yaml = h("pre", { class: "source yaml", tabindex: 0, "aria-label": "YAML" }, source.yaml);
    const wrong = graph.findings.length;
    this.tabs = tabs("About the graph", [
      ["details", "Details", this.side],
      [
        "findings",
        wrong ? `Findings (${wrong})` : "Findings",
        h(
          "div",
          { class: "stack" },
          findingList(graph.findings, (finding) => this.finding(finding)),
        ),
      ],
      [
        "yaml",
        "YAML",
        h(
          "div",
          { class: "stack tight" },
          h("div", { class: "row" }, h("button", { onclick: () => this.copy() }, "Copy the text")),
          source.problem ? h("p", { class: "quiet" }, `This graph lives in Python: ${source.problem}`) : null,
          yaml,
        ),
      ],
    ]);
    this.element = h(
      "section",
      { class: "workbench" },
      this.#head(),
      h("div", { class: "benches look" }, this.pane.element, this.tabs.element),
    );
  }

  begin() {
    this.pane.show(this.drawn, this.graph.findings);
    this.whole();
  }

  #head() {
    const { graph, source } = this;
    const place = graph.kind === "gallery" ? null : h("code", { class: "quiet where" }, graph.target);
    const edit = graph.editable
      ? h("a", { class: "button", href: `#/edit/${graph.id}` }, "Edit")
      : h(
          "a",
          {
            class: "button",
            href: graph.kind === "python" ? `#/edit/${graph.id}?copy` : `#/edit/${graph.id}`,
            "aria-disabled": source.problem ? "true" : null,
            title: source.problem || "The original stays as it is",
          },
          "Copy as a document",
        );
    return h(
      "div",
      { class: "row spread" },
      h(
        "div",
        { class: "row" },
        h("h1", {}, graph.name),
        badges(graph),
        graph.editable ? null : h("span", { class: "badge", title: "It is defined elsewhere; a copy can be edited here." }, "read-only"),
        place,
      ),
      h(
        "div",
        { class: "row" },
        source.problem ? null : edit,
        h("a", { class: "button", href: `#/runs?graph=${encodeURIComponent(graph.name)}` }, "Its runs"),
        graph.errors ? null : h("button", { class: "main", onclick: () => beginRun(graph.id).catch(complain) }, "Run it"),
      ),
    );
  }

  whole() {
    fill(
      this.side,
      overview(this.graph, (id, kind) => this.pane.choose(id, kind)),
    );
  }

  part(id, kind) {
    const told = partDetails(this.graph.document, this.drawn, id, kind, {
      choose: (one, what) => this.pane.choose(one, what),
      findings: this.graph.findings,
    });
    this.tabs.open("details");
    const open = this.drawn.clusters.some((cluster) => cluster.id === id);
    const closed = this.drawn.nodes.some((node) => node.id === id && node.inside);
    const group =
      open || closed ? h("button", { onclick: () => this.pane.toggle(id) }, open ? "Close in the picture" : "Open in the picture") : null;
    fill(
      this.side,
      h("div", { class: "row spread" }, h("button", { class: "plain back", onclick: () => this.#back() }, "← The whole graph"), group),
      told ?? h("p", { class: "quiet" }, "Nothing more is said of it."),
    );
  }

  #back() {
    this.pane.choose(null, null, { quiet: true });
    this.whole();
  }

  finding(finding) {
    const part = finding.edge ?? finding.node;
    if (part) this.pane.choose(part, finding.edge ? "edge" : "node");
    else tell(finding.message);
  }

  async close(ids) {
    const turn = ++this.turn;
    const picture = await get(path("api", "graphs", this.graph.id, "picture", { collapse: ids }));
    if (turn !== this.turn) return;
    this.drawn = picture;
    this.pane.show(picture, this.graph.findings);
    if (this.pane.chosen) this.part(this.pane.chosen);
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.source.yaml);
      tell("Copied.");
    } catch {
      tell("The browser does not allow copying here; select the text and copy it.", "error");
    }
  }
}
