// The runs in the store: found, labelled, deleted, compared, imported, begun.

import { get, patch, path, post, remove } from "../api.js";
import { beginRun } from "../begin_run.js";
import { fill, h, settled } from "../dom.js";
import { onLists } from "../lists.js";
import { complain, tell } from "../notices.js";
import { ago, at, short } from "../words.js";

const STATUSES = ["ready", "running", "interrupted", "finished", "stuck", "waiting", "limited", "cancelled", "failed"];
const PAGE = 50;
const MOST = 200;

export async function show(main, _, query) {
  const page = new Runs(query);
  fill(main, page.element);
  await page.load();
  const off = onLists(({ runs }) => page.changed(runs));
  return () => {
    off();
    page.left = true;
  };
}

class Runs {
  rows = new Map();
  chosen = new Set();
  before = null;
  seen = null;
  left = false;
  turn = 0;

  constructor(query) {
    const soon = settled(() => this.filter());
    this.text = h("input", {
      type: "search",
      "aria-label": "Search runs",
      placeholder: "Search: id, graph, label, reason",
      ".value": query.get("text") ?? "",
      oninput: soon,
    });
    this.said = h("input", { type: "checkbox", ".checked": query.get("said") === "true", onchange: () => this.filter() });
    this.status = h(
      "select",
      { "aria-label": "Status", onchange: () => this.filter() },
      h("option", { value: "" }, "Any status"),
      STATUSES.map((name) => h("option", { value: name, selected: name === query.get("status") }, name)),
    );
    this.graph = h("select", { "aria-label": "Graph", onchange: () => this.filter() });
    this.label = h("input", {
      type: "text",
      "aria-label": "Label",
      placeholder: "Label",
      class: "short",
      list: "labels",
      ".value": query.get("label") ?? "",
      oninput: soon,
    });
    this.labels = h("datalist", { id: "labels" });
    this.graphs = new Set([query.get("graph")].filter(Boolean));
    this.wanted = query.get("graph") ?? "";
    this.body = h("tbody", {});
    this.all = h("input", { type: "checkbox", "aria-label": "Select all runs shown", onchange: () => this.selectAll() });
    this.table = h(
      "table",
      { class: "runs" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, this.all),
          ["Run", "Status", "Graph", "Labels", "Changed"].map((title) => h("th", { scope: "col" }, title)),
        ),
      ),
      this.body,
    );
    this.more = h("button", { hidden: true, onclick: () => this.further() }, "More");
    this.picked = h("div", { class: "row picked", role: "group", "aria-label": "Selected runs" });
    this.blank = h("div", {});
    this.file = h("input", {
      type: "file",
      accept: ".json,application/json",
      hidden: true,
      "aria-label": "Record to import",
      onchange: () => this.import(),
    });
    this.element = h(
      "section",
      { class: "stack" },
      h(
        "div",
        { class: "row spread" },
        h("h1", {}, "Runs"),
        h(
          "div",
          { class: "row" },
          h("button", { class: "main", onclick: () => beginRun().catch(complain) }, "Begin a run"),
          h("button", { onclick: () => this.file.click() }, "Import a run"),
          this.file,
        ),
      ),
      h(
        "div",
        { class: "row filters", role: "search" },
        this.text,
        h("label", { class: "check" }, this.said, h("span", {}, "also what was said")),
        this.status,
        this.graph,
        this.label,
        this.labels,
      ),
      this.picked,
      h("div", { class: "wide" }, this.table),
      this.blank,
      h("div", { class: "row" }, this.more),
    );
    this.#offerGraphs();
  }

  get filters() {
    return {
      status: this.status.value,
      graph: this.wanted,
      label: this.label.value.trim(),
      text: this.text.value.trim(),
      said: this.said.checked || null,
    };
  }

  /** Ask anew, from the newest run on, and say in the address what is asked for. */
  filter() {
    this.wanted = this.graph.value;
    history.replaceState(null, "", `#${path("runs", { ...this.filters })}`);
    this.load(PAGE).catch(complain);
  }

  /** Show as many runs as are shown now. */
  async load(count = Math.max(PAGE, this.rows.size)) {
    const turn = ++this.turn;
    const found = [];
    let before = null;
    do {
      const page = await get(path("api", "runs", { ...this.filters, limit: Math.min(MOST, count - found.length), before }));
      if (turn !== this.turn || this.left) return;
      found.push(...page.runs);
      before = page.before;
    } while (before && found.length < count);
    this.before = before;
    this.#show(found);
  }

  /** Show those that follow. */
  async further() {
    const page = await get(path("api", "runs", { ...this.filters, limit: PAGE, before: this.before })).catch(complain);
    if (!page || this.left) return;
    this.before = page.before;
    this.#show([...[...this.rows.values()].map((row) => row.run), ...page.runs]);
  }

  changed(number) {
    if (this.seen !== null && this.seen !== number) this.load().catch(() => {}); // the stream says when the studio is back
    this.seen = number;
  }

  selectAll() {
    for (const row of this.rows.values()) this.#choose(row, this.all.checked);
    this.#showPicked();
  }

  async import() {
    const [file] = this.file.files;
    this.file.value = "";
    if (!file) return;
    try {
      const row = await post("/api/runs/import", JSON.parse(await file.text()));
      tell(`Imported ${row.run_id}`);
      await this.load();
    } catch (error) {
      complain(error instanceof SyntaxError ? new Error(`${file.name} is no record of a run: ${error.message}`) : error);
    }
  }

  #show(runs) {
    const old = this.rows;
    this.rows = new Map(runs.map((run) => [run.run_id, old.get(run.run_id)?.update(run) ?? new Row(run, this.#actions())]));
    for (const [id, row] of old) if (!this.rows.has(id)) row.element.remove();
    [...this.rows.values()].forEach(({ element }, place) => {
      if (this.body.children[place] !== element) this.body.insertBefore(element, this.body.children[place] ?? null);
    });
    for (const id of this.chosen) if (!this.rows.has(id)) this.chosen.delete(id);
    this.table.hidden = runs.length === 0;
    this.more.hidden = !this.before;
    fill(this.blank, runs.length ? null : this.#empty());
    for (const { graph } of runs) this.graphs.add(graph);
    this.#offerGraphs();
    const labels = [...new Set(runs.flatMap((run) => run.labels))].sort();
    fill(
      this.labels,
      labels.map((label) => h("option", { value: label })),
    );
    this.#showPicked();
  }

  #actions() {
    return {
      choose: (row, on) => {
        this.#choose(row, on);
        this.#showPicked();
      },
    };
  }

  #choose(row, on) {
    row.box.checked = on;
    row.element.classList.toggle("chosen", on);
    if (on) this.chosen.add(row.run.run_id);
    else this.chosen.delete(row.run.run_id);
  }

  #offerGraphs() {
    const names = [...this.graphs].sort();
    if (this.graph.children.length === names.length + 1) return;
    fill(
      this.graph,
      h("option", { value: "" }, "Any graph"),
      names.map((name) => h("option", { value: name, selected: name === this.wanted }, name)),
    );
  }

  #showPicked() {
    const ids = [...this.chosen];
    this.all.checked = ids.length > 0 && ids.length === this.rows.size;
    this.all.indeterminate = ids.length > 0 && ids.length < this.rows.size;
    if (!ids.length) return fill(this.picked, h("span", { class: "quiet" }, "Select runs to compare two of them, or to delete them."));
    const [left, right] = ids.map(encodeURIComponent);
    return fill(
      this.picked,
      h("span", {}, `${ids.length} selected`),
      ids.length === 2 ? h("a", { class: "button", href: `#/compare/${left}/${right}` }, "Compare") : null,
      h("button", { class: "danger", onclick: () => this.#confirmDelete(ids) }, "Delete…"),
      h("button", { class: "plain", onclick: () => this.#clear() }, "Clear"),
    );
  }

  #clear() {
    for (const row of this.rows.values()) this.#choose(row, false);
    this.#showPicked();
  }

  #confirmDelete(ids) {
    const dialog = h("dialog", { "aria-labelledby": "delete-title", onclose: () => dialog.remove() });
    const doomed = async () => {
      dialog.close();
      for (const id of ids) {
        await remove(path("api", "runs", id)).then(() => this.chosen.delete(id), complain);
      }
      await this.load().catch(complain);
    };
    fill(
      dialog,
      h("h2", { id: "delete-title" }, ids.length === 1 ? "Delete this run?" : `Delete ${ids.length} runs?`),
      h("p", {}, "Their records are gone for good. Runs that go on, and those whose steps forks share, stay."),
      h(
        "div",
        { class: "row" },
        h("button", { class: "danger", onclick: doomed }, "Delete"),
        h("button", { autofocus: true, onclick: () => dialog.close() }, "Cancel"),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  }

  #empty() {
    const asked = Object.values(this.filters).some(Boolean);
    if (asked) {
      const clear = () => {
        this.text.value = this.status.value = this.label.value = this.graph.value = "";
        this.filter();
      };
      return h(
        "div",
        { class: "empty" },
        h("h2", {}, "No run fits"),
        h("p", {}, "None of the runs in this store fits what is asked for."),
        h("button", { onclick: clear }, "Show all runs"),
      );
    }
    return h(
      "div",
      { class: "empty" },
      h("h2", {}, "No runs yet"),
      h(
        "p",
        {},
        "A run is one conversation through a graph. Everything that is said and done in it is kept here, so that it can be followed, wound back and gone on with.",
      ),
      h("p", {}, "Begin one with the button above, or from a terminal or a program with this store:"),
      h("pre", {}, 'convgraph run file.py:graph "Hello" --store runs.db'),
    );
  }
}

/** A run in the table. Its element stays the same as long as the run is shown, so that nothing that is being typed is lost. */
class Row {
  constructor(run, actions) {
    this.box = h("input", {
      type: "checkbox",
      "aria-label": `Select ${run.run_id}`,
      onchange: () => actions.choose(this, this.box.checked),
    });
    this.name = h("td", {});
    this.status = h("td", {});
    this.graph = h("td", {});
    this.labels = h("td", {});
    this.time = h("td", { class: "num" });
    this.element = h("tr", {}, h("td", {}, this.box), this.name, this.status, this.graph, this.labels, this.time);
    this.update(run);
  }

  update(run) {
    const told = JSON.stringify(run);
    fill(this.time, h("time", { title: at(run.updated) }, ago(run.updated)));
    if (told === this.told) return this;
    this.told = told;
    this.run = run;
    const link = h("a", { href: `#/run/${encodeURIComponent(run.run_id)}`, title: run.run_id, class: "mono" }, short(run.run_id));
    const parent = run.parent
      ? h(
          "span",
          { class: "quiet" },
          "fork of ",
          h("a", { href: `#/run/${encodeURIComponent(run.parent)}`, title: run.parent }, short(run.parent)),
          ` at ${run.parent_step}`,
        )
      : null;
    fill(this.name, h("div", {}, link, " ", parent), run.reason ? h("div", { class: "quiet reason" }, run.reason) : null);
    fill(
      this.status,
      h("span", { class: `badge ${run.status}` }, run.status),
      run.questions ? h("a", { class: "asks", href: "#/inbox" }, run.questions === 1 ? "1 question" : `${run.questions} questions`) : null,
    );
    fill(this.graph, run.graph_id ? h("a", { href: `#/graph/${run.graph_id}` }, run.graph) : run.graph);
    if (!this.editing) this.#showLabels();
    return this;
  }

  #showLabels() {
    this.editing = false;
    fill(
      this.labels,
      h(
        "div",
        { class: "row labels" },
        this.run.labels.map((label) => h("span", { class: "badge" }, label)),
        h(
          "button",
          {
            class: "plain",
            "aria-label": `${this.run.labels.length ? "" : "+ label: "}Change the labels of ${this.run.run_id}`,
            onclick: () => this.#editLabels(),
          },
          this.run.labels.length ? "✎" : "+ label",
        ),
      ),
    );
  }

  #editLabels() {
    this.editing = true;
    const control = h("input", {
      type: "text",
      "aria-label": `Labels of ${this.run.run_id}, with commas between`,
      ".value": this.run.labels.join(", "),
      onkeydown: (event) => event.key === "Escape" && this.#showLabels(),
    });
    const save = async (event) => {
      event.preventDefault();
      try {
        const labels = control.value
          .split(",")
          .map((label) => label.trim())
          .filter(Boolean);
        const run = await patch(path("api", "runs", this.run.run_id), { labels });
        this.editing = false;
        this.told = "";
        this.update(run);
        this.labels.querySelector("button").focus();
      } catch (error) {
        complain(error);
        control.focus();
      }
    };
    fill(this.labels, h("form", { class: "row labels", onsubmit: save }, control, h("button", {}, "Save")));
    control.focus();
  }
}
