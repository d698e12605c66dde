// The draft as text, with the lines' numbers; lines with a problem are marked.

import { fill, h } from "../dom.js";

export class YamlPane {
  constructor(draft, tidy) {
    this.draft = draft;
    this.numbers = h("pre", { class: "numbers", "aria-hidden": "true" });
    this.text = h("textarea", {
      class: "mono sheet-text",
      spellcheck: "false",
      wrap: "off",
      autocomplete: "off",
      autocapitalize: "off",
      "aria-label": "The graph as YAML",
      oninput: () => draft.type(this.text.value),
      onscroll: () => (this.numbers.scrollTop = this.text.scrollTop),
    });
    this.problems = h("ul", { class: "findings", "aria-label": "Problems of the text" });
    this.tidy = h("button", { type: "button", onclick: tidy, title: "Everything in the usual order and style. Comments go." }, "Tidy up");
    this.element = h(
      "div",
      { class: "yaml-pane" },
      h(
        "div",
        { class: "row spread" },
        h("span", { class: "quiet hint" }, "The same graph as in the forms. What they change is changed here line by line; comments stay."),
        this.tidy,
      ),
      this.problems,
      h("div", { class: "sheet" }, this.numbers, this.text),
    );
  }

  /** Show the draft as it stands; what is being typed is not touched. */
  refresh() {
    const { draft } = this;
    if (this.text.value !== draft.yaml) {
      const place = this.text.selectionStart;
      this.text.value = draft.yaml;
      if (document.activeElement === this.text) this.text.setSelectionRange(place, place);
    }
    const wrong = new Set(draft.problems.map((problem) => problem.line));
    const count = draft.yaml.split("\n").length;
    fill(
      this.numbers,
      Array.from({ length: count }, (_, index) => h("span", { class: wrong.has(index + 1) ? "wrong" : "" }, `${index + 1}\n`)),
    );
    this.numbers.scrollTop = this.text.scrollTop;
    this.tidy.disabled = !draft.canonical || draft.problems.length > 0 || draft.canonical === draft.yaml;
    fill(
      this.problems,
      draft.problems.map((problem) =>
        h(
          "li",
          { class: "error" },
          h(
            "button",
            { class: "plain", type: "button", onclick: () => this.goTo(problem) },
            problem.line ? h("strong", {}, `Line ${problem.line}: `) : null,
            problem.path ? h("code", {}, `${problem.path} `) : null,
            problem.message,
          ),
        ),
      ),
    );
  }

  goTo(problem) {
    if (!problem.line) return;
    const before =
      this.draft.yaml
        .split("\n")
        .slice(0, problem.line - 1)
        .join("\n").length + (problem.line > 1 ? 1 : 0);
    const place = before + (problem.column ?? 1) - 1;
    this.text.focus();
    this.text.setSelectionRange(place, place);
    this.text.scrollTop = Math.max(0, (problem.line - 6) * 18);
  }
}
