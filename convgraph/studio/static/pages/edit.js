// The editor: a graph as forms, as text and as a picture, which are one document. Whatever is changed is checked as it is typed.

import { get, path } from "../api.js";
import { beginRun } from "../begin_run.js";
import { findingList } from "../details.js";
import { graphIn, newNode, partOf, placeOf } from "../document.js";
import { fill, h } from "../dom.js";
import { differenceView, lineDifference } from "../editing/difference.js";
import { Draft } from "../editing/draft.js";
import { edgeList } from "../editing/edge_form.js";
import { placeProblems } from "../editing/fields.js";
import { graphForm } from "../editing/graph_form.js";
import { NEW_NODES, nodeRow } from "../editing/node_form.js";
import { save } from "../editing/saving.js";
import { YamlPane } from "../editing/yaml_pane.js";
import { complain, tell } from "../notices.js";
import { PicturePane } from "../picture_pane.js";
import { tabs } from "../tabs.js";

const MEND = "The text cannot be read as a graph at the moment; mend it under YAML, or undo.";
const EMPTY = { name: "", yaml: "version: 1\nname: new-graph\nnodes: []\nedges: []\n", base: null, editable: true, problem: "" };

export async function show(main, [id], query) {
  const [source, palette, session, known] = await Promise.all([
    id ? get(path("api", "graphs", id, "source")) : EMPTY,
    get("/api/palette"),
    get("/api/session"),
    get("/api/graphs"),
  ]);
  const graph = known.find((one) => one.id === id);
  if (graph?.kind === "python" && (!query.has("copy") || source.problem)) {
    fill(main, readOnly(graph, source));
    return undefined;
  }
  const editor = new Editor(source, { id, palette, session, taken: new Set(known.filter((one) => one.editable).map((one) => one.name)) });
  fill(main, editor.element);
  await editor.begin();
  return () => editor.leave();
}

function readOnly(graph, source) {
  return h(
    "section",
    { class: "empty stack" },
    h("h1", {}, `${graph.name} is read-only here`),
    h(
      "p",
      {},
      "It is defined in Python, in ",
      h("code", {}, graph.target),
      "; what is changed there is seen here when the studio is started again.",
    ),
    source.problem ? h("p", { class: "quiet" }, "It cannot be a document as it is: ", source.problem) : null,
    h(
      "div",
      { class: "row" },
      h("a", { class: "button main", href: `#/graph/${graph.id}` }, "Look at it"),
      source.problem ? null : h("a", { class: "button", href: `#/edit/${graph.id}?copy` }, "Edit a copy as a document"),
    ),
  );
}

class Editor {
  opened = new Set();
  heads = new Map();
  scope = [];
  shownPicture = null;

  constructor(source, { id, palette, session, taken }) {
    Object.assign(this, { source, id, palette, session });
    this.draft = new Draft(source.yaml, () => this.changed());
    this.draft.base = source.base;
    this.kept = `draft:${id ?? "new"}`;
    const name = source.editable || !taken.has(source.name) ? source.name : `${source.name}-copy`;
    this.name = h("input", {
      type: "text",
      class: "file-name",
      "aria-label": "Name of the file",
      placeholder: "name of the file",
      ".value": name,
      readonly: source.base !== null,
      title: session.folder ? `in ${session.folder}` : "",
    });
    this.status = h("span", { class: "badge", role: "status" });
    this.unsaved = h("span", { class: "badge warning", hidden: true }, "unsaved");
    this.back = h("button", { onclick: () => this.draft.undo(), title: "Undo (Ctrl+Z)" }, "Undo");
    this.forth = h("button", { onclick: () => this.draft.redo(), title: "Redo (Ctrl+Shift+Z)" }, "Redo");
    this.try = h("button", { onclick: () => this.run().catch(complain), title: "Run it as it stands, without saving" }, "Try it");
    this.keep = h("button", { class: "main", onclick: () => this.save().catch(complain), title: "Save (Ctrl+S)" }, "Save");
    this.forms = {
      nodes: h("div", { class: "stack" }),
      edges: h("div", { class: "stack" }),
      graph: h("div", { class: "stack" }),
      changes: h("div", { class: "stack tight" }),
    };
    this.yaml = new YamlPane(this.draft, () => this.draft.type(this.draft.canonical));
    this.tabs = tabs(
      "The graph",
      [
        ["nodes", "Nodes", this.forms.nodes],
        ["edges", "Edges", this.forms.edges],
        ["graph", "Graph", this.forms.graph],
        ["yaml", "YAML", this.yaml.element],
        ["changes", "Changes", this.forms.changes],
      ],
      (tab) => this.turnTo(tab),
    );
    this.pane = new PicturePane({ select: (part, kind) => this.open(part, kind), close: (ids) => this.close(ids) });
    this.findings = h("section", { class: "card findings-card", "aria-label": "Findings" });
    this.callables = h(
      "datalist",
      { id: "callables" },
      palette.callables.map((one) => h("option", { value: one.path }, one.summary)),
    );
    this.element = h(
      "section",
      { class: "workbench", onkeydown: (event) => this.keys(event) },
      h(
        "div",
        { class: "row spread" },
        h(
          "div",
          { class: "row" },
          h("h1", {}, !id ? "New graph" : source.base === null ? "Copy" : "Edit"),
          this.name,
          this.unsaved,
          this.status,
        ),
        h("div", { class: "row" }, this.back, this.forth, this.try, this.keep),
      ),
      h("div", { class: "benches change" }, this.tabs.element, h("div", { class: "seen" }, this.pane.element, this.findings)),
      this.callables,
    );
    this.warn = (event) => this.draft.dirty && event.preventDefault();
  }

  async begin() {
    window.addEventListener("beforeunload", this.warn);
    const kept = sessionStorage.getItem(this.kept);
    if (kept && kept !== this.draft.yaml) {
      this.draft.type(kept);
      tell("What you had changed here and not saved is back; Undo takes it away.");
    }
    await this.draft.again();
    this.render();
  }

  leave() {
    window.removeEventListener("beforeunload", this.warn);
    if (this.draft.dirty) {
      this.draft.settle().then(() => sessionStorage.setItem(this.kept, this.draft.yaml));
      tell("Your changes are not saved; they are kept here until you close the tab.");
    } else {
      sessionStorage.removeItem(this.kept);
    }
  }

  /** The draft has changed, or an answer has come. */
  changed() {
    const { draft } = this;
    this.back.disabled = !draft.canUndo;
    this.forth.disabled = !draft.canRedo;
    this.unsaved.hidden = !draft.dirty;
    this.try.disabled = draft.checking ? this.try.disabled : !draft.ok;
    this.keep.disabled = draft.problems.length > 0 || !this.session.folder;
    this.#say();
    if (draft.checking) return;
    this.yaml.refresh();
    this.refreshForms();
    if (draft.picture && draft.picture !== this.shownPicture) {
      this.shownPicture = draft.picture;
      this.pane.show(draft.picture, draft.findings);
    }
    this.pane.element.classList.toggle("stale", draft.problems.length > 0);
    this.tabs.title(
      "yaml",
      "YAML",
      draft.problems.length ? h("span", { class: "problem-mark", title: "There is a problem in it" }, " ●") : null,
    );
    this.#tellFindings();
    if (this.tabs.current === "changes") this.#tellChanges();
  }

  #say() {
    const { draft } = this;
    const errors = draft.findings.filter((one) => one.severity === "error").length;
    const [words, kind] = draft.failed
      ? [draft.failed, "error"]
      : draft.checking
        ? ["checking …", ""]
        : draft.problems.length
          ? [draft.document ? "cannot run yet" : "the YAML cannot be read", "error"]
          : errors
            ? [`${errors} error${errors === 1 ? "" : "s"}`, "error"]
            : draft.findings.length
              ? [`can run; ${draft.findings.length} warning${draft.findings.length === 1 ? "" : "s"}`, "warning"]
              : ["can run", "finished"];
    this.status.className = `badge ${kind}`;
    if (this.status.textContent !== words) this.status.textContent = words;
  }

  #tellFindings() {
    const { draft } = this;
    const said = draft.problems.length
      ? h(
          "ul",
          { class: "findings" },
          draft.problems.map((problem) =>
            h(
              "li",
              { class: "error" },
              h(
                "button",
                { type: "button", class: "plain", onclick: () => this.openPath(problem) },
                h("span", { class: "badge error" }, problem.path || (problem.line ? `line ${problem.line}` : "problem")),
                " ",
                problem.message,
              ),
            ),
          ),
        )
      : findingList(draft.findings, (finding) => this.pane.choose(finding.edge ?? finding.node, finding.edge ? "edge" : "node"));
    fill(
      this.findings,
      draft.problems.length && draft.picture ? h("p", { class: "quiet hint" }, "The picture is the last one that was a graph.") : null,
      said,
    );
  }

  #tellChanges() {
    fill(
      this.forms.changes,
      h(
        "p",
        { class: "quiet hint" },
        this.source.base === null ? "Nothing of this is saved yet." : "What saving would change in the file:",
      ),
      differenceView(lineDifference(this.source.base === null ? "" : this.draft.saved, this.draft.yaml)),
    );
  }

  /** After an answer: the forms show what the text says, unless they are what has been changed. */
  refreshForms() {
    const now = JSON.stringify(this.draft.document);
    if (now !== this.formed) this.render();
    else this.#place();
  }

  /** Make the forms anew, and put the focus back where it was, or on `focus`. */
  render(focus = null) {
    const { draft } = this;
    this.formed = JSON.stringify(draft.document);
    const held = focus ?? (this.element.contains(document.activeElement) ? document.activeElement.dataset?.focus : null);
    const scrolls = Object.values(this.forms).map((form) => [form.parentElement, form.parentElement.scrollTop]);
    const graph = draft.document && graphIn(draft.document, this.scope);
    if (draft.document && !graph) this.scope = [];
    const shown = draft.document && (graph ?? draft.document);
    const fits = shown && Array.isArray(shown.nodes ?? []) && Array.isArray(shown.edges ?? []);
    this.heads.clear();
    for (const name of ["nodes", "edges", "graph"])
      fill(this.forms[name], fits ? this.#tried(name, shown) : h("p", { class: "problem" }, MEND));
    for (const [panel, top] of scrolls) panel.scrollTop = top;
    this.#place();
    if (held) this.element.querySelector(`[data-focus="${CSS.escape(held)}"]`)?.focus();
  }

  /** The form, unless the text says something of a shape that no form has: then its problems say so as well. */
  #tried(name, graph) {
    try {
      return [this.#crumbs(), this.#form(name, graph)];
    } catch (error) {
      if (!this.draft.problems.length && !this.draft.checking) throw error;
      return h("p", { class: "problem" }, MEND);
    }
  }

  #form(name, graph) {
    const place = placeOf(this.draft.document, this.scope);
    if (name === "graph") return graphForm(graph, place, this.ui);
    if (name === "edges") return edgeList(graph, place, this.scope.join("/"), this.ui);
    const at = { list: (one) => (one.nodes ??= []), path: `${place}nodes`, parent: "" };
    return [
      graph.nodes?.length
        ? null
        : h("p", {}, "A graph is made of nodes, which speak, and edges, which say who may speak next. Begin with the first node:"),
      h(
        "ul",
        { class: "entries" },
        (graph.nodes ?? []).map((node, index) => nodeRow(node, index, at, this.ui)),
      ),
      h(
        "div",
        { class: "row tight", role: "group", "aria-label": "Add a node" },
        h("span", { class: "quiet" }, "Add:"),
        NEW_NODES.map(([kind, title, words]) => h("button", { type: "button", title: words, onclick: () => this.add(kind) }, title)),
      ),
    ];
  }

  #crumbs() {
    if (!this.scope.length) return null;
    const names = [this.draft.document.name, ...this.scope];
    return h(
      "nav",
      { class: "row tight crumbs", "aria-label": "Where you are" },
      names.map((name, depth) => [
        depth ? "›" : null,
        depth === this.scope.length
          ? h("strong", {}, name)
          : h("button", { type: "button", class: "plain", onclick: () => this.go(this.scope.slice(0, depth)) }, name),
      ]),
    );
  }

  #place() {
    for (const name of ["nodes", "edges", "graph"]) placeProblems(this.forms[name], this.draft.problems);
    const prefix = this.scope.length ? `${this.scope.join("/")}/` : "";
    for (const head of this.element.querySelectorAll("[data-part]")) {
      const id = head.dataset.part.includes("#") ? head.dataset.part : prefix + head.dataset.part;
      const found = this.draft.findings.filter((one) => one.node === id || one.edge === id);
      head.classList.toggle(
        "has-error",
        found.some((one) => one.severity === "error"),
      );
      head.classList.toggle(
        "has-warning",
        found.some((one) => one.severity === "warning"),
      );
      head.title = found.map((one) => one.message).join("\n");
    }
  }

  /** The forms are what has been changed: only the lines that sum them up are said anew. */
  summarise() {
    this.formed = JSON.stringify(this.draft.document);
    const graph = graphIn(this.draft.document, this.scope);
    for (const say of this.heads.values()) say(graph);
  }

  /** What the forms may ask of the editor. */
  get ui() {
    const editor = this;
    const graph = () => graphIn(this.draft.document, this.scope) ?? this.draft.document;
    return {
      opened: this.opened,
      heads: this.heads,
      palette: this.palette,
      session: this.session,
      nodeNames: () => (graph().nodes ?? []).map((node) => node.name),
      targets: () => [...(graph().nodes ?? []).map((node) => node.name), "END"],
      stateFields: () => Object.keys(graph().state?.fields ?? {}),
      enter: (name) => editor.go([...editor.scope, name]),
      render: (focus) => editor.render(focus),
      show: (id, kind) => editor.pane.choose(kind === "edge" ? id : [...editor.scope, id].join("/"), kind, { quiet: true }),
      change(work, key = null, again = false) {
        editor.draft.edit((document) => work(graphIn(document, editor.scope)), key);
        if (again) editor.render(typeof again === "string" ? again : null);
        else editor.summarise();
      },
    };
  }

  add(kind) {
    let made = null;
    this.ui.change(
      (graph) => {
        graph.nodes ??= [];
        made = newNode(kind, graph.nodes);
        graph.nodes.push(made);
        if (graph.nodes.length === 1 && !graph.start && !(graph.edges ?? []).some((edge) => edge.from === "START")) {
          const { version, name, ...rest } = graph;
          for (const key of Object.keys(graph)) delete graph[key];
          Object.assign(graph, version === undefined ? { name, start: made.name, ...rest } : { version, name, start: made.name, ...rest });
        }
        this.opened.add(made.name);
      },
      null,
      true,
    );
    const index = graphIn(this.draft.document, this.scope).nodes.length - 1;
    const name = this.element.querySelector(`[data-focus="${placeOf(this.draft.document, this.scope)}nodes[${index}].name"]`);
    name?.focus();
    name?.select();
  }

  go(scope) {
    this.scope = scope;
    this.opened.clear();
    this.render();
  }

  /** Open the form of a part that was chosen in the picture. */
  open(id, kind) {
    const part = this.draft.document && partOf(this.draft.document, id);
    if (!part) return;
    if (part.scope.join("/") !== this.scope.join("/")) this.go(part.scope);
    const own = kind === "edge" ? id : id.slice(this.scope.length ? this.scope.join("/").length + 1 : 0);
    this.opened.clear();
    this.opened.add(own);
    if (part.inside) this.opened.add(part.inside);
    this.tabs.open(kind === "edge" ? "edges" : "nodes");
    this.render();
    this.element.querySelector(`[data-part="${CSS.escape(own)}"]`)?.scrollIntoView({ block: "nearest" });
  }

  /** Show a problem where it can be mended: in its form if it has one, else in the text. */
  openPath(problem) {
    const place = /^((?:nodes\[\d+\]\.graph\.)*)(nodes|edges)\[(\d+)\]/.exec(problem.path);
    if (!place || !this.draft.document) {
      this.tabs.open("yaml");
      this.yaml.goTo(problem);
      return;
    }
    let graph = this.draft.document;
    const scope = [];
    for (const [, index] of place[1].matchAll(/nodes\[(\d+)\]/g)) {
      scope.push(graph.nodes[Number(index)].name);
      graph = graph.nodes[Number(index)].graph;
    }
    this.open(
      place[2] === "edges" ? `${scope.join("/")}#${place[3]}` : [...scope, graph.nodes[Number(place[3])].name].join("/"),
      place[2] === "edges" ? "edge" : "node",
    );
    this.element.querySelector(`[data-path="${CSS.escape(problem.path)}"]`)?.focus();
  }

  async turnTo(tab) {
    this.yaml.text.readOnly = true; // what forms have changed is to be in the text before somebody types there
    await this.draft.settle();
    this.yaml.text.readOnly = false;
    if (tab === "yaml") this.yaml.refresh();
    if (tab === "changes") this.#tellChanges();
  }

  close(ids) {
    this.draft.collapse = ids;
    this.draft.again();
  }

  keys(event) {
    const control = event.ctrlKey || event.metaKey;
    if (!control || event.altKey) return;
    const key = event.key.toLowerCase();
    const work =
      key === "s"
        ? () => this.save().catch(complain)
        : key === "z"
          ? () => (event.shiftKey ? this.draft.redo() : this.draft.undo())
          : key === "y"
            ? () => this.draft.redo()
            : null;
    if (!work) return;
    event.preventDefault();
    work();
  }

  async run() {
    await this.draft.settle();
    if (!this.draft.ok || this.draft.failed) return;
    await beginRun(null, { name: this.draft.document.name, yaml: this.draft.yaml, state_schema: this.draft.schema });
  }

  async save() {
    const name = this.name.value.trim() || this.draft.document?.name || "";
    const yaml = this.draft.yaml;
    const saved = await save(this.draft, name);
    if (!saved) return;
    this.name.value = name;
    this.name.readOnly = true;
    this.draft.base = saved.base;
    this.draft.saved = this.draft.yaml;
    this.source = { ...this.source, base: saved.base, yaml };
    sessionStorage.removeItem(this.kept);
    this.kept = `draft:${saved.graph.id}`;
    history.replaceState(null, "", `#/edit/${saved.graph.id}`);
    this.changed();
    tell(`Saved as ${name}.yaml.`);
  }
}
