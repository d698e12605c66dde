// The graph beside the transcript: where the run is, where it has been, which way it has just gone, and what its parts say when asked.

import { get, path } from "../api.js";
import { fill, h } from "../dom.js";
import { GraphView } from "../graph.js";
import { complain } from "../notices.js";
import { plural } from "../words.js";

/**
 * Shows a RunModel on its graph in `container`. `go(step)` is told which step to look at, `only(node)` whose turns are wanted (null:
 * everybody's).
 */
export class GraphPane {
  constructor(container, model, { go, only, drawn }) {
    this.model = model;
    this.go = go;
    this.only = only;
    this.drawn = drawn;
    this.closed = new Set();
    this.chosen = null;
    this.picture = null;
    this.fitted = true;
    const button = (text, label, work) => h("button", { class: "plain", "aria-label": label, title: label, onclick: work }, text);
    this.canvas = h("div", { class: "picture", role: "region", "aria-label": "Graph of the run" });
    this.told = h("div", { class: "told", "aria-live": "polite" });
    this.all = h("button", { class: "plain", hidden: true, onclick: () => this.#toggleAll() }, "Close all");
    fill(
      container,
      h(
        "div",
        { class: "tools" },
        button("−", "Smaller", () => this.#zoom(0.8)),
        button("+", "Larger", () => this.#zoom(1.25)),
        button("Fit", "Fit the graph into its place", () => this.#fit()),
        this.all,
      ),
      this.canvas,
      this.told,
    );
    this.view = new GraphView(this.canvas, { select: (id, kind) => this.choose(id, kind), toggle: (id) => this.#toggle(id) });
    this.room = new ResizeObserver(() => this.fitted && this.picture?.svg && this.#readable());
    this.room.observe(this.canvas);
    this.canvas.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey || !this.picture?.svg) return;
        event.preventDefault();
        this.#zoom(event.deltaY < 0 ? 1.1 : 0.9);
      },
      { passive: false },
    );
  }

  close() {
    this.room.disconnect();
  }

  /** Draw the graph, with what is closed closed. */
  async load() {
    const picture = await get(path("api", "runs", this.model.id, "picture", { collapse: [...this.closed] }));
    this.picture = picture;
    this.view.show(picture);
    if (picture.svg && this.fitted) this.#readable();
    this.all.hidden = picture.clusters.length === 0 && this.closed.size === 0;
    this.all.textContent = this.closed.size ? "Open all" : "Close all";
    this.drawn(picture);
    this.update();
  }

  /** What a transition is called: its label. */
  called(transition) {
    return this.picture?.edges.find((edge) => edge.stands_for.includes(transition))?.label ?? "";
  }

  /** Mark what is known of the step that is looked at, and of where the run is. */
  update() {
    const { model, view, picture } = this;
    if (!picture?.svg) return;
    const step = model.selected;
    const row = model.row(step);
    const detail = model.details.get(step);
    const taken = new Set();
    const visits = new Map();
    for (let number = 1; number <= step; number++) {
      const one = model.rows[number - 1];
      if (!one) continue;
      if (one.edge) taken.add(view.arrowOf(one.edge));
      visits.set(one.node, (visits.get(one.node) ?? 0) + 1);
    }
    for (const inner of detail?.nested ?? []) if (inner.edge) taken.add(view.arrowOf(inner.edge));
    for (const [node, times] of Object.entries(detail?.visits ?? {})) visits.set(node, times);
    const going = model.follow && model.run.status !== "finished" && model.run.current;
    const current = view.seenAs(going ? model.run.current : row ? row.node : "START");
    const refused = (detail?.choice?.guards ?? [])
      .filter((guard) => !guard.taken && guard.value !== "true" && guard.value !== "not asked")
      .map((guard) => view.arrowOf(guard.edge));
    const just = row?.edge ? view.arrowOf(row.edge) : detail?.choice?.edge ? view.arrowOf(detail.choice.edge) : null;
    const seen = new Map();
    for (const [node, times] of visits) {
      const place = view.seenAs(node);
      if (place && (place === node || !visits.has(place))) seen.set(place, (seen.get(place) ?? 0) + times);
    }
    view.mark({
      visited: [...seen.keys()],
      current: current ? [current] : [],
      taken: [...taken].filter(Boolean),
      "just-taken": just ? [just] : [],
      refused: refused.filter((id) => id && id !== just),
      selected: this.chosen ? [this.chosen.id] : [],
    });
    view.count(seen);
    if (current && current !== this.was && !this.chosen) view.reveal(current);
    this.was = current;
    this.#tell();
  }

  /** Choose a part: its turns, or its guard and what it said, are told. A node that is chosen again leads to its next turn. */
  choose(id, kind) {
    const again = this.chosen?.id === id;
    this.chosen = { id, kind };
    if (kind !== "edge") {
      const next = this.#turns(id).find((step) => step > this.model.selected) ?? this.#turns(id)[0];
      if (next !== undefined && (again || this.model.row(this.model.selected)?.node !== nodeOf(id))) this.go(next);
    }
    this.update();
  }

  /** Choose the arrow of a transition. */
  chooseTransition(transition) {
    const arrow = this.view.arrowOf(transition);
    if (!arrow) return;
    this.choose(arrow, "edge");
    this.view.reveal(arrow);
  }

  #turns(id) {
    const node = nodeOf(id);
    return this.model.rows.filter((row) => row.node === node).map((row) => row.step);
  }

  #tell() {
    if (!this.chosen) return void fill(this.told);
    const { id, kind } = this.chosen;
    fill(
      this.told,
      kind === "edge" ? this.#edge(this.picture.edges.find((edge) => edge.id === id)) : this.#node(id, kind),
      h("button", { class: "plain dismiss", "aria-label": "Dismiss", onclick: () => this.#dismiss() }, "×"),
    );
  }

  #dismiss() {
    this.chosen = null;
    this.only(null);
    this.update();
  }

  #node(id, kind) {
    const node = this.picture.nodes.find((one) => one.id === id) ?? this.picture.clusters.find((one) => one.id === id);
    if (!node) return null;
    const turns = this.#turns(id);
    const before = turns.filter((step) => step < this.model.selected).at(-1);
    const after = turns.find((step) => step > this.model.selected);
    const inside = nodeOf(id) !== id;
    const wanted = h("input", {
      type: "checkbox",
      ".checked": this.filtered === id,
      onchange: (event) => {
        this.filtered = event.target.checked ? id : null;
        this.only(this.filtered && nodeOf(id));
      },
    });
    return [
      h("strong", {}, node.name),
      node.description ? h("p", { class: "quiet" }, node.description) : null,
      h(
        "div",
        { class: "row" },
        h("span", { class: "quiet num" }, `${plural(turns.length, "turn")}${inside ? ` of ${nodeOf(id)}` : ""}`),
        h("button", { class: "plain", disabled: before === undefined, onclick: () => this.go(before) }, "‹ earlier"),
        h("button", { class: "plain", disabled: after === undefined, onclick: () => this.go(after) }, "later ›"),
        h("label", { class: "check" }, wanted, "only these"),
        kind === "cluster" || node.inside
          ? h("button", { class: "plain", onclick: () => this.#toggle(id) }, kind === "cluster" ? "Close it" : "Open it")
          : null,
      ),
    ];
  }

  #edge(edge) {
    if (!edge) return null;
    const { model } = this;
    const said = model.details.get(model.selected)?.choice?.guards.filter((guard) => edge.stands_for.includes(guard.edge)) ?? [];
    const took = model.rows.filter((row) => row.edge && edge.stands_for.includes(row.edge)).map((row) => row.step);
    const after = took.find((step) => step > model.selected) ?? took[0];
    return [
      h("strong", {}, `${edge.source} → ${edge.target === "END" ? "the end" : edge.target}`),
      " ",
      edge.label ? h("span", { class: "via" }, edge.label) : null,
      h(
        "p",
        {},
        edge.guard ? ["when ", h("code", {}, edge.guard)] : h("span", { class: "quiet" }, "no guard: always open"),
        edge.on !== "reply" && edge.on !== "flow" ? h("span", { class: "tag" }, `on ${edge.on}`) : null,
        edge.priority ? h("span", { class: "quiet" }, ` priority ${edge.priority}`) : null,
      ),
      said.map((guard) => h("p", { class: guard.taken ? "good" : "quiet" }, `After step ${model.selected}: ${guard.value}, ${guard.why}.`)),
      h(
        "div",
        { class: "row" },
        h("span", { class: "quiet num" }, `taken ${plural(took.length, "time")}`),
        took.length ? h("button", { class: "plain", onclick: () => this.go(after) }, `to step ${after}`) : null,
      ),
    ];
  }

  #toggle(id) {
    if (this.closed.has(id)) this.closed.delete(id);
    else this.closed.add(id);
    this.load().catch(complain);
  }

  #toggleAll() {
    if (this.closed.size) this.closed.clear();
    else for (const cluster of this.picture.clusters) this.closed.add(cluster.id);
    this.load().catch(complain);
  }

  #zoom(by) {
    if (!this.picture?.svg) return;
    this.fitted = false;
    this.view.zoom(this.view.scale * by);
  }

  /** As large as the place is wide, but no smaller than can be read, and no larger than needed. */
  #readable() {
    const wide = (this.canvas.clientWidth - 24) / (this.view.width * 1.34);
    this.view.zoom(Math.max(this.view.fitting(), Math.min(wide, 0.8), 0.45));
    if (this.was) this.view.reveal(this.was);
  }

  #fit() {
    if (!this.picture?.svg) return;
    this.fitted = false;
    this.view.zoom(this.view.fitting());
  }
}

const nodeOf = (id) => id.split("/")[0];
