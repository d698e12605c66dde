// A picture with what is needed to look at it: zoom, fit, a search for nodes, sub-graphs that open and close, findings where they apply.

import { fill, h } from "./dom.js";
import { GraphView } from "./graph.js";
import { comeTo, walkable } from "./walking.js";

/** `select(id, kind)` is told what is chosen, `close(ids)` which sub-graphs are to be drawn closed from now on. */
export class PicturePane {
  closed = new Set();
  chosen = null;

  constructor({ select, close }) {
    this.tell = select;
    this.close = close;
    this.canvas = h("div", { class: "picture", tabindex: "-1" });
    this.view = new GraphView(this.canvas, { select: (id, kind) => this.choose(id, kind), toggle: (id) => this.toggle(id) });
    this.names = h("datalist", { id: "node-names" });
    this.search = h("input", {
      type: "search",
      list: "node-names",
      "aria-label": "Find a node",
      placeholder: "Find a node",
      onchange: () => this.#find(),
      onkeydown: (event) => event.key === "Enter" && this.#find(),
    });
    this.scale = h("button", { class: "num", title: "Full size", "aria-label": "100 %: Full size", onclick: () => this.zoom(1) }, "100 %");
    this.groups = h("button", { hidden: true, onclick: () => this.#all() });
    const zooms = h(
      "div",
      { class: "row joined", role: "group", "aria-label": "Zoom" },
      h("button", { "aria-label": "Smaller", title: "Smaller", onclick: () => this.zoom(this.view.scale / 1.25) }, "−"),
      this.scale,
      h("button", { "aria-label": "Larger", title: "Larger", onclick: () => this.zoom(this.view.scale * 1.25) }, "+"),
      h("button", { title: "The whole graph", onclick: () => this.zoom(this.view.fitting()) }, "Fit"),
    );
    this.hint = h("p", { class: "quiet hint" }, "Click a node or an arrow; arrow keys move between nodes.");
    new ResizeObserver(() => this.fitted && this.zoom(this.view.fitting())).observe(this.canvas);
    this.element = h(
      "section",
      { class: "picture-pane", "aria-label": "Picture" },
      h("div", { class: "row picture-tools" }, this.search, this.names, zooms, this.groups, this.hint),
      this.canvas,
    );
  }

  /** Draw a picture, with the findings on what they concern. */
  show(picture, findings = []) {
    const first = !this.view.svg;
    this.view.show(picture);
    if (picture.svg && (first || this.fitted)) this.zoom(this.view.fitting());
    this.#widen();
    walkable(this.view, this.chosen);
    this.findings(findings);
    this.choose(this.chosen, null, { quiet: true });
    fill(
      this.names,
      [...new Set(picture.nodes.filter((node) => !["start", "end"].includes(node.shape)).map((node) => node.id))].map((id) =>
        h("option", { value: id }),
      ),
    );
    const closable = picture.clusters.length + this.closed.size > 0;
    this.groups.hidden = !closable;
    this.groups.textContent = picture.clusters.length ? "Close all groups" : "Open all groups";
    this.#label();
  }

  findings(findings) {
    const of = (severity) =>
      findings
        .filter((one) => one.severity === severity)
        .map((one) => (one.edge ? (this.view.arrowOf(one.edge) ?? one.edge) : this.view.seenAs(one.node ?? "")));
    const errors = of("error").filter(Boolean);
    this.view.mark({ "has-error": errors, "has-warning": of("warning").filter((id) => id && !errors.includes(id)) });
  }

  zoom(scale) {
    if (!this.view.svg) return;
    this.fitted = Math.abs(scale - this.view.fitting()) < 0.001;
    this.view.zoom(scale);
    this.#label();
  }

  /** Mark a part as chosen, bring it into view, and tell it unless `quiet`. */
  choose(id, kind = null, { quiet = false } = {}) {
    this.chosen = id;
    const seen = this.view.parts?.has(id) ? id : (this.view.arrowOf(id ?? "") ?? this.view.seenAs(id ?? ""));
    this.view.mark({ selected: seen ? [seen] : [] });
    if (quiet || !seen) return;
    this.view.reveal(seen);
    this.tell(id, kind ?? (this.view.picture.edges.some((edge) => edge.id === seen) ? "edge" : "node"));
  }

  /** Arrows are thin: around each is room to be hit. */
  #widen() {
    for (const edge of this.view.picture.edges) {
      const part = this.view.parts.get(edge.id);
      for (const line of part?.querySelectorAll(":scope > path") ?? []) {
        const room = line.cloneNode();
        room.setAttribute("class", "room");
        part.prepend(room);
      }
    }
  }

  #label() {
    this.scale.textContent = `${Math.round(this.view.scale * 100)} %`;
    this.scale.setAttribute("aria-label", `${this.scale.textContent}: Full size`);
  }

  #find() {
    const said = this.search.value.trim().toLowerCase();
    if (!said) return;
    const nodes = this.view.picture.nodes;
    const found =
      nodes.find((node) => node.id.toLowerCase() === said) ??
      nodes.find((node) => node.name.toLowerCase().startsWith(said)) ??
      nodes.find((node) => node.id.toLowerCase().includes(said));
    this.search.setAttribute("aria-invalid", found ? "false" : "true");
    if (!found) return;
    this.choose(found.id, "node");
    comeTo(this.view, this.view.parts.get(found.id));
  }

  /** Draw a group closed that is open, and the other way round. */
  toggle(id) {
    if (this.closed.has(id)) this.closed.delete(id);
    else this.closed.add(id);
    this.close([...this.closed]);
  }

  #all() {
    if (this.view.picture.clusters.length)
      for (const cluster of this.view.picture.clusters.filter((one) => !one.parent)) this.closed.add(cluster.id);
    else this.closed.clear();
    this.close([...this.closed]);
  }
}
