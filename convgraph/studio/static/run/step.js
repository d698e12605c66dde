// The step that is looked at: why the next one came, the state and what it changed, what was done, and what it cost.

import { fill, h } from "../dom.js";
import { number, plural, seconds, usd } from "../words.js";
import { counted, output, pretty } from "./turn.js";
import { inShort, tree } from "./tree.js";

const CHOSEN = {
  first: "the first way out that was open",
  only: "nobody: one way was open",
  limit: "the limit that was reached",
  round_robin: "whoever was next in turn",
  random: "chance",
  auto: "a model",
  manual: "a person",
  callable: "a function",
  goto: "the node itself, which handed over",
};

/** Shows a step in full in `container`; `open` remembers which parts are open. `choose(edge)` is told of an edge that is clicked. */
export class StepPane {
  constructor(container, { choose }) {
    this.container = container;
    this.choose = choose;
    this.closed = new Set();
    this.shown = null;
  }

  /** Show this step, or that it is on its way. */
  show(step, row, detail, run) {
    if (detail && this.shown === detail) return;
    this.shown = detail;
    if (!detail) {
      const title = this.container.querySelector("h2");
      if (title) title.textContent = titleOf(step, row);
      this.container.setAttribute("aria-busy", "true");
      return;
    }
    this.container.removeAttribute("aria-busy");
    const top = this.container.scrollTop;
    fill(
      this.container,
      h("h2", {}, titleOf(step, row)),
      detail.problem ? h("p", { class: "problem" }, detail.problem) : null,
      detail.choice ? this.#part("why", step ? "Why it went on like this" : "Who begins", this.#choice(detail.choice)) : null,
      detail.state && Object.keys(detail.state).length ? this.#part("state", "State", stateOf(detail)) : null,
      detail.done.length
        ? this.#part("done", `Done: ${counted(tally(detail.done)).join(", ")}`, h("div", { class: "effects" }, detail.done.map(effectOf)))
        : null,
      detail.attempts.length
        ? this.#part(
            "attempts",
            "Failed attempts",
            detail.attempts.map((text) => h("p", { class: "error-line" }, text)),
          )
        : null,
      this.#part("cost", "Cost", costOf(detail, row, run)),
    );
    this.container.scrollTop = top;
  }

  #part(name, title, ...inside) {
    const details = h(
      "details",
      { class: `part part-${name}`, open: !this.closed.has(name) },
      h("summary", {}, h("h3", {}, title)),
      ...inside,
    );
    details.addEventListener("toggle", () => (details.open ? this.closed.delete(name) : this.closed.add(name)));
    return details;
  }

  #choice(choice) {
    const by = choice.chosen_by
      ? h(
          "p",
          { class: "quiet" },
          "Chosen by ",
          h("strong", {}, CHOSEN[choice.chosen_by] ?? choice.chosen_by),
          choice.answers.length ? ", which answered:" : "",
        )
      : null;
    return [
      by,
      choice.answers.map((answer) => h("blockquote", {}, answer)),
      choice.distribution ? bars(choice.distribution, choice.target) : null,
      h(
        "ul",
        { class: "guards" },
        choice.guards.map((guard) => this.#guard(guard)),
      ),
      choice.guards.length ? null : h("p", { class: "quiet" }, "No way leads out of it."),
      choice.reason ? h("p", { class: "reason" }, "The run stopped here. ", choice.reason) : null,
    ];
  }

  #guard(guard) {
    const kind = guard.taken
      ? "taken"
      : guard.value === "true"
        ? "open"
        : guard.value === "false" || guard.value === "not asked"
          ? "shut"
          : "broken";
    return h(
      "li",
      { class: kind },
      h(
        "button",
        { class: "plain way", onclick: () => this.choose(guard.edge) },
        h("span", { class: "sign", "aria-hidden": "true" }, { taken: "→", open: "○", shut: "×", broken: "!" }[kind]),
        " ",
        guard.target === "END" ? "the end" : guard.target,
        " ",
        guard.label ? h("span", { class: "via" }, guard.label) : null,
      ),
      h("span", { class: `badge ${kind === "taken" ? "finished" : kind === "broken" ? "error" : ""}` }, guard.why),
      h(
        "div",
        { class: "when" },
        guard.on === "reply" ? null : h("span", { class: "tag" }, `on ${guard.on}`),
        guard.guard
          ? [
              h("code", {}, guard.guard),
              h("span", { class: `is ${guard.value === "not asked" ? "false" : guard.value}` }, `= ${guard.value}`),
            ]
          : h("span", { class: "quiet" }, "no guard: always open"),
        guard.priority ? h("span", { class: "quiet" }, ` priority ${guard.priority}`) : null,
      ),
    );
  }
}

const titleOf = (step, row) => (step ? `Step ${step.toLocaleString("en")} · ${row?.node ?? ""}` : "The beginning");

function tally(done) {
  const sums = {};
  for (const effect of done) sums[effect.kind] = (sums[effect.kind] ?? 0) + 1;
  return sums;
}

function stateOf(detail) {
  const changed = detail.changes.length;
  return [
    changed
      ? h(
          "ul",
          { class: "changes" },
          detail.changes
            .slice(0, 20)
            .map((change) =>
              h(
                "li",
                { class: change.kind },
                h("code", { class: "key" }, change.place || "all of it"),
                " ",
                change.kind === "added" ? null : h("del", {}, inShort(change.before, 60)),
                change.kind === "changed" ? " → " : " ",
                change.kind === "removed" ? null : h("ins", {}, inShort(change.after, 60)),
              ),
            ),
          changed > 20 ? h("li", { class: "quiet" }, `… and ${changed - 20} more`) : null,
        )
      : h("p", { class: "quiet" }, "This step changed nothing."),
    tree(detail.state, detail.changes),
  ];
}

function effectOf(effect) {
  const sums = [
    effect.seconds ? seconds(effect.seconds) : "",
    effect.usage.input_tokens + effect.usage.output_tokens
      ? `${number(effect.usage.input_tokens)} in, ${number(effect.usage.output_tokens)} out`
      : "",
    effect.usage.usd ? usd(effect.usage.usd) : "",
  ]
    .filter(Boolean)
    .join(" · ");
  const state = effect.error ? "failed" : effect.finished ? "" : "not finished";
  return h(
    "details",
    { class: effect.error ? "effect failed" : "effect" },
    h(
      "summary",
      {},
      h("span", { class: "tag" }, effect.kind),
      " ",
      h("strong", {}, effect.name),
      effect.path.includes("/") ? h("span", { class: "quiet" }, ` in ${effect.path}`) : null,
      state ? h("span", { class: "badge error" }, state) : null,
      h("span", { class: "sums quiet num" }, sums),
    ),
    effect.request !== null ? [h("h4", {}, "Asked"), h("pre", {}, pretty(effect.request))] : null,
    effect.error ? h("p", { class: "error-line" }, effect.error) : null,
    effect.result !== null ? [h("h4", {}, "Answered"), output(effect)] : null,
  );
}

function costOf(detail, row, run) {
  const line = (name, value) => [h("dt", {}, name), h("dd", { class: "num" }, value)];
  return [
    h(
      "dl",
      { class: "sums" },
      row
        ? [
            line(
              "This step",
              [row.seconds ? seconds(row.seconds) : "", `${number(row.tokens)} tokens`, usd(row.usd)].filter(Boolean).join(" · "),
            ),
          ]
        : null,
      line(
        "So far",
        `${plural(detail.usage.calls, "model call")} · ${number(detail.usage.input_tokens + detail.usage.output_tokens)} tokens · ${usd(detail.usage.usd)}`,
      ),
      row ? line("Written", new Date(row.at * 1000).toLocaleString()) : null,
    ),
    limitBars(detail.limits.length ? detail.limits : []),
    run?.problem ? h("p", { class: "quiet" }, run.problem) : null,
  ];
}

/** How much of each limit is used. */
export function limitBars(limits) {
  return limits.length ? h("div", { class: "limits" }, limits.map(limitBar)) : null;
}

function limitBar(limit) {
  const part = Math.min(1, limit.used / limit.limit);
  const shown = { usd, seconds: (value) => seconds(value) }[limit.name] ?? number;
  const name = limit.of ? `${limit.name} of ${limit.of}` : limit.name;
  const used = limit.name === "seconds" ? Math.round(limit.used * 10) / 10 : limit.used;
  const bar = h(
    "div",
    {
      class: `meter ${part >= 1 ? "full" : part > 0.8 ? "near" : ""}`,
      role: "meter",
      "aria-label": `Limit of ${name}`,
      "aria-valuemin": 0,
      "aria-valuemax": limit.limit,
      "aria-valuenow": Math.min(limit.used, limit.limit),
      "aria-valuetext": `${shown(used)} of ${shown(limit.limit)}`,
    },
    h("span", {}),
  );
  bar.firstChild.style.width = `${part * 100}%`;
  return h(
    "div",
    { class: "limit" },
    h("span", {}, name),
    bar,
    h("span", { class: "num quiet" }, `${shown(used)} / ${shown(limit.limit)}`),
  );
}

/** How probable each choice was. */
function bars(distribution, target) {
  const rows = Object.entries(distribution).sort(([, one], [, other]) => other - one);
  return h(
    "ul",
    { class: "distribution", "aria-label": "How probable each choice was" },
    rows.map(([name, share]) => {
      const bar = h("span", { class: "share" });
      bar.style.width = `${Math.round(share * 100)}%`;
      return h(
        "li",
        { class: name === target ? "taken" : "" },
        h("span", {}, name),
        h("span", { class: "bar", "aria-hidden": "true" }, bar),
        h("span", { class: "num" }, `${Math.round(share * 100)} %`),
      );
    }),
  );
}
