// Two runs beside each other: what they share, where they first differ, and what differs at the end.

import { get, path } from "../api.js";
import { fill, h } from "../dom.js";
import { LongList } from "../long_list.js";
import { prose } from "../run/prose.js";
import { hue } from "../run/colours.js";
import { inShort } from "../run/tree.js";
import { number, plural, seconds, short, usd } from "../words.js";

export async function show(main, [left, right]) {
  const found = await get(path("api", "compare", { left, right }));
  const { steps, common } = found;
  const list = h("div", { class: "pairs", tabindex: 0, role: "feed", "aria-label": "The two transcripts" });
  const jump = h("button", { disabled: common >= steps.length, onclick: () => pairs.reveal(common) }, "To the first difference");
  fill(
    main,
    h(
      "div",
      { class: "compare-page" },
      h(
        "header",
        { class: "run-head" },
        h(
          "div",
          { class: "row" },
          h("h1", {}, "Two runs"),
          h(
            "span",
            { class: "badge" },
            found.left.graph === found.right.graph ? found.left.graph : `${found.left.graph} and ${found.right.graph}`,
          ),
          h(
            "span",
            { class: common < steps.length ? "badge warning" : "badge finished" },
            common < steps.length ? `${plural(common, "step")} alike, then they differ` : `all ${common} steps are alike`,
          ),
          jump,
        ),
      ),
      h("div", { class: "sides" }, side(found.left), side(found.right)),
      found.state.length
        ? h(
            "details",
            { class: "card", open: found.state.length < 6 },
            h("summary", {}, h("h2", {}, `The state at the end differs at ${plural(found.state.length, "place")}`)),
            h(
              "table",
              {},
              h("thead", {}, h("tr", {}, h("th", {}, "Place"), h("th", {}, short(left)), h("th", {}, short(right)))),
              h(
                "tbody",
                {},
                found.state.map((change) =>
                  h(
                    "tr",
                    {},
                    h("td", {}, h("code", {}, change.place || "all of it")),
                    h("td", {}, h("code", {}, change.kind === "added" ? "" : inShort(change.before))),
                    h("td", {}, h("code", {}, change.kind === "removed" ? "" : inShort(change.after))),
                  ),
                ),
              ),
            ),
          )
        : h("p", { class: "quiet" }, "Their states at the end are the same."),
      list,
    ),
  );
  const pairs = new Pairs(list, steps, common, left, right);
  if (common < steps.length) pairs.reveal(common);
  main.classList.add("whole");
  return () => {
    main.classList.remove("whole");
    pairs.close();
  };
}

function side(run) {
  const tokens = run.usage.input_tokens + run.usage.output_tokens;
  return h(
    "div",
    { class: "card" },
    h(
      "h2",
      {},
      h("a", { href: `#/run/${encodeURIComponent(run.run_id)}` }, short(run.run_id)),
      " ",
      h("span", { class: `badge ${run.status}` }, run.status),
    ),
    h(
      "p",
      { class: "quiet num" },
      `${plural(run.steps, "step")} · ${plural(run.usage.calls, "model call")} · ${plural(tokens, "token")} · ${usd(run.usage.usd)}`,
    ),
    run.parent ? h("p", { class: "quiet" }, `forked from ${short(run.parent)} at step ${run.parent_step}`) : null,
  );
}

/** The pairs of steps. */
class Pairs {
  constructor(container, steps, common, left, right) {
    Object.assign(this, { steps, common, ids: [left, right] });
    this.list = new LongList(container, { size: () => steps.length, make: (index) => this.#pair(index) });
    this.list.draw();
  }

  close() {
    this.list.close();
  }

  reveal(index) {
    this.list.reveal(index);
  }

  #pair(index) {
    const pair = this.steps[index];
    const first = index === this.common;
    return h(
      "article",
      {
        class: `compared ${pair.same ? "same" : "differs"}${first ? " first" : ""}`,
        "aria-label": `Step ${pair.step}, ${pair.same ? "alike" : "different"}`,
      },
      first ? h("p", { class: "mark" }, "The first difference") : null,
      h(
        "div",
        { class: "sides" },
        [pair.left, pair.right].map((row, which) =>
          row ? this.#row(row, which, which ? pair.left : pair.right) : h("div", { class: "speech none quiet" }, "no such step"),
        ),
      ),
    );
  }

  #row(row, which, other) {
    const elsewhere = other && other.target !== row.target;
    return h(
      "div",
      { class: `speech who-${hue(row.node)}` },
      h(
        "header",
        {},
        h(
          "a",
          {
            class: "nth num",
            href: `#/run/${encodeURIComponent(this.ids[which])}/${row.step}`,
            "aria-label": `Step ${row.step} of its run`,
          },
          String(row.step),
        ),
        h("span", { class: "who" }, row.node),
        row.edited ? h("span", { class: "badge warning" }, "edited") : null,
        h(
          "span",
          { class: "sums num quiet" },
          [row.seconds >= 0.001 ? seconds(row.seconds) : "", row.tokens ? `${number(row.tokens)} tokens` : ""].filter(Boolean).join(" · "),
        ),
      ),
      row.text ? prose(row.text) : h("p", { class: "quiet" }, "said nothing"),
      row.error ? h("p", { class: "error-line" }, row.error) : null,
      h(
        "footer",
        { class: elsewhere ? "elsewhere" : "quiet" },
        row.target ? `→ ${row.target === "END" ? "the end" : row.target}` : "stopped here",
      ),
    );
  }
}
