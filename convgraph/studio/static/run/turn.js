// One turn of the transcript: who spoke, what was said and done, what went on inside it, and where it led.

import { h } from "../dom.js";
import { number, plural, seconds, usd } from "../words.js";
import { hue } from "./colours.js";
import { code, prose } from "./prose.js";
import { inShort } from "./tree.js";

const DONE = {
  model: "model call",
  tool: "tool call",
  code: "execution",
  human: "question",
  reply: "reply function",
  conversation: "conversation",
  timer: "timer",
  child: "run of its own",
  random: "random value",
  clock: "look at the clock",
  doubt: "doubt",
};
const TALL = 1200; // characters of a text beyond which it is folded

/** What was said before the first turn. */
export function openingTurn(messages) {
  return h(
    "article",
    { class: "speech opening", "data-step": 0, "aria-label": "The beginning" },
    h(
      "header",
      {},
      h("span", { class: "nth num" }, "0"),
      h("span", { class: "who" }, messages.at(-1)?.sender || "user"),
      h("span", { class: "quiet" }, "begins"),
    ),
    messages.length
      ? messages.map((message) => said(message, messages.at(-1).sender))
      : h("p", { class: "quiet" }, "The run began without a message."),
  );
}

/** A turn from its row, and from the step in full where that is known. `edge` tells what a transition is called. */
export function turn(row, detail, { edge = () => "", divergence = null } = {}) {
  const element = h(
    "article",
    {
      class: `speech who-${hue(row.node)}${row.error ? " failed" : ""}`,
      "data-step": row.step,
      "aria-label": `Step ${row.step}, ${row.node}`,
    },
    head(row),
  );
  if (detail) element.append(...whole(row, detail));
  else if (row.text) element.append(folded(prose(row.text), row.text.length));
  else if (!row.error && !row.more) element.append(h("p", { class: "quiet" }, "said nothing"));
  if (!detail && row.more) element.append(h("p", { class: "quiet more" }, "…"));
  if (row.error) element.append(h("p", { class: "error-line", role: "note" }, row.error));
  if (divergence?.step === row.step) element.append(divergent(divergence));
  element.append(foot(row, edge));
  if (row.then)
    element.append(
      h("div", { class: "then" }, h("span", { class: "who" }, "user"), h("span", { class: "quiet" }, "goes on"), prose(row.then)),
    );
  return element;
}

const STOPPED = { waiting: "waits", failed: "failed", cancelled: "was stopped", interrupted: "was interrupted", ready: "comes next" };

/** How a run has ended, or where it has stopped: after a turn, or in one of which this was done. */
export function lastTurn(step, run, speaking, doing, inner) {
  const node = run.current?.split("/")[0] ?? "";
  if (run.status === "running") return runningTurn(step, node, speaking, doing, inner);
  if (!(run.status in STOPPED) || !node)
    return h(
      "article",
      { class: `speech ending ${run.status}`, "data-step": step, "aria-label": `The run is ${run.status}` },
      h("span", { class: `badge ${run.status}` }, run.status),
      " ",
      h("span", { class: "quiet" }, run.reason),
    );
  const element = runningTurn(step, node, new Map(), doing, inner, STOPPED[run.status]);
  element.classList.add(run.status);
  element.append(h("p", { class: run.status === "failed" ? "error-line" : "quiet" }, run.reason));
  return element;
}

/** The turn that goes on: what is being said, and done, in it and in what is nested in it. */
function runningTurn(step, node, speaking, doing, inner, stopped = "") {
  const element = h(
    "article",
    {
      class: `speech ${stopped ? "stopped" : "running"} who-${hue(node)}`,
      "data-step": step,
      "aria-label": `Step ${step}, ${node}, ${stopped || "goes on"}`,
      "aria-live": "off",
    },
    h(
      "header",
      {},
      h("span", { class: "nth num" }, String(step)),
      h("span", { class: "who" }, node),
      stopped ? h("span", { class: "quiet" }, stopped) : h("span", { class: "pulse" }, "at work"),
    ),
  );
  const places = [...new Set([...inner.map((row) => row.path), ...speaking.keys()])].filter((place) => place.includes("/"));
  const own = speaking.get(String(step)) ?? [...speaking.entries()].find(([place]) => !place.includes("/"))?.[1];
  const tools = [...doing.values()].filter((effect) => effect.kind !== "model");
  if (tools.length) element.append(h("div", { class: "done" }, tools.map(doneLine)));
  if (places.length) {
    const rows = places.map(
      (place) =>
        inner.find((row) => row.path === place) ?? {
          path: place,
          node: speaking.get(place).node,
          sender: speaking.get(place).node.split("/").at(-1),
          text: speaking.get(place).text,
          streams: true,
          step,
        },
    );
    element.append(nested(rows));
  }
  if (own) element.append(streamed(own.text));
  if (!own && !places.length && !tools.length && !stopped) element.append(h("p", { class: "quiet" }, h("span", { class: "caret" })));
  return element;
}

function head(row) {
  const sums = [
    row.seconds >= 0.001 ? seconds(row.seconds) : "",
    row.tokens ? `${number(row.tokens)} tokens` : "",
    row.usd ? usd(row.usd) : "",
  ].filter(Boolean);
  return h(
    "header",
    {},
    h("span", { class: "nth num" }, String(row.step)),
    h("span", { class: "who" }, row.node === row.sender || !row.sender ? row.node : `${row.node} · ${row.sender}`),
    row.edited
      ? h("span", { class: "badge warning", title: "A fork has put these words, or this state, in place of others" }, "edited")
      : null,
    row.error ? h("span", { class: "badge error" }, "error") : null,
    h("span", { class: "sums num quiet" }, sums.join(" · ")),
  );
}

function foot(row, edge) {
  const label = row.edge ? edge(row.edge) : "";
  return h(
    "footer",
    { class: "quiet" },
    row.target
      ? [
          h("span", { class: "arrow", "aria-hidden": "true" }, "→ "),
          h("span", {}, row.target === "END" ? "the end" : row.target),
          " ",
          label ? h("span", { class: "via" }, label) : null,
        ]
      : "stopped here",
  );
}

function* whole(row, detail) {
  if (detail.attempts.length)
    yield h(
      "div",
      { class: "attempts" },
      detail.attempts.map((text) => h("p", { class: "error-line" }, text)),
    );
  const groups = detail.nested.length ? nested(detail.nested) : null;
  const branches = groups?.classList.contains("side-by-side");
  if (groups)
    yield branches
      ? groups
      : h(
          "details",
          { class: "inside", open: true },
          h("summary", {}, plural(detail.nested.length, "turn inside", "turns inside")),
          groups,
        );
  const done = detail.done.filter((effect) => effect.kind === "code" || effect.kind === "human");
  if (done.length) yield h("div", { class: "done" }, done.map(doneLine));
  if (branches) return; // what the branches said is what the group said
  for (const message of detail.messages)
    if (!message.sender.startsWith("user") || message.role === "assistant") yield said(message, row.sender);
}

/** A message: its tool calls and their results folded, its pictures shown. */
function said(message, sender) {
  const texts = message.parts.filter((part) => part.kind !== "image" && part.text);
  const size = texts.reduce((sum, part) => sum + part.text.length, 0);
  if (message.role === "tool")
    return h(
      "details",
      { class: "tool-result" },
      h("summary", {}, h("span", { class: "tag" }, "result"), " ", inShort(parsed(texts.map((part) => part.text).join(" ")), 90)),
      h("pre", {}, pretty(texts.map((part) => part.text).join("\n"))),
    );
  const body = h("div", { class: "words" });
  if (message.sender && message.sender !== sender && message.role !== "user")
    body.append(h("span", { class: `by who-${hue(message.sender)}` }, message.sender));
  for (const part of message.parts) {
    if (part.kind === "image")
      body.append(h("img", { class: "picture-part", src: part.image, alt: part.text || "A picture", loading: "lazy" }));
    else if (part.text) body.append(part.kind === "other" ? h("p", { class: "quiet" }, part.text) : prose(part.text));
  }
  for (const call of message.tool_calls)
    body.append(
      h(
        "details",
        { class: "tool-call" },
        h(
          "summary",
          {},
          h("span", { class: "tag" }, "calls"),
          " ",
          h("code", {}, call.name),
          h("span", { class: "quiet" }, ` ${inShort(parsed(call.arguments), 80)}`),
        ),
        h("pre", {}, pretty(call.arguments)),
      ),
    );
  return size > TALL ? folded(body, size) : body;
}

function folded(body, size) {
  if (size <= TALL) return body;
  const whole = h("div", { class: "tall" }, body);
  const button = h(
    "button",
    {
      class: "plain unfold",
      "aria-expanded": "false",
      onclick: (event) => {
        event.stopPropagation();
        const open = whole.classList.toggle("open");
        button.setAttribute("aria-expanded", String(open));
        button.textContent = open ? "Show less" : "Show all of it";
      },
    },
    "Show all of it",
  );
  return h("div", {}, whole, button);
}

/** Turns inside a turn: branches of a group side by side, conversations indented, however deep they are. */
export function nested(rows) {
  const top = Math.min(...rows.map((row) => row.path.split("/").length));
  const outer = rows.filter((row) => row.path.split("/").length === top);
  const named = outer.every((row) => !/^\d/.test(row.path.split("/").at(-1)));
  return h(
    "div",
    { class: named ? "side-by-side" : "within" },
    outer.map((row) =>
      innerTurn(
        row,
        rows.filter((one) => one !== row && one.path.startsWith(`${row.path}/`)),
      ),
    ),
    rows
      .filter((row) => row.path.split("/").length > top && !outer.some((one) => row.path.startsWith(`${one.path}/`)))
      .map((row) => innerTurn(row, [])),
  );
}

function innerTurn(row, inside) {
  const where = row.node.split("/").at(-1);
  return h(
    "div",
    { class: `inner who-${hue(row.node.split("/").at(-1))}`, role: "group", "aria-label": `${where}, inside step ${row.step}` },
    h(
      "header",
      {},
      h("span", { class: "who" }, where),
      row.target ? h("span", { class: "quiet" }, row.target === "END" ? "→ the end" : `→ ${row.target}`) : null,
    ),
    inside.length
      ? h("details", { class: "inside" }, h("summary", {}, plural(inside.length, "turn inside", "turns inside")), nested(inside))
      : null,
    row.streams ? streamed(row.text) : folded(prose(row.text), row.text.length),
    row.error ? h("p", { class: "error-line" }, row.error) : null,
  );
}

function streamed(text) {
  const body = prose(text);
  (body.lastElementChild?.classList.contains("text") ? body.lastElementChild : body).append(h("span", { class: "caret" }));
  return body;
}

/** An effect in a line: what was done, and what came of it. */
export function doneLine(effect) {
  const what =
    effect.kind === "tool"
      ? [h("code", {}, effect.name), h("span", { class: "quiet" }, ` ${inShort(parsed(effect.request), 60)}`)]
      : [h("span", {}, effect.kind === "human" ? (effect.request?.prompt ?? effect.name) : effect.name)];
  const result = effect.error
    ? h("p", { class: "error-line" }, effect.error)
    : effect.finished && effect.kind !== "model"
      ? output(effect)
      : null;
  const state = effect.finished ? "" : effect.kind === "human" ? "is asked" : "…";
  const line = [h("span", { class: "tag" }, effect.kind), " ", what, state ? h("span", { class: "quiet" }, ` ${state}`) : null];
  return result
    ? h(
        "details",
        { class: `effect ${effect.error ? "failed" : ""}`, open: Boolean(effect.error) || effect.kind === "code" },
        h("summary", {}, line),
        result,
      )
    : h("p", { class: "effect" }, line);
}

/** What came of an effect: the output of code as it was, everything else as JSON or text. */
export function output(effect) {
  const result = effect.result;
  if (effect.kind === "code" && result && typeof result === "object" && typeof result.output === "string") {
    const failed = Number(result.exit_code ?? 0) !== 0;
    return h(
      "div",
      { class: failed ? "failed" : "" },
      code(result.output || "(no output)", failed ? `exit code ${result.exit_code}` : "output"),
    );
  }
  return h("pre", {}, pretty(result));
}

function divergent(divergence) {
  return h(
    "section",
    { class: "divergence", "aria-label": "Where the replay differed" },
    h("h3", {}, "A replay does something else here"),
    h("p", {}, divergence.message),
    diff(divergence.diff),
  );
}

/** A unified diff, its lines coloured and told apart by their signs. */
export function diff(text) {
  return h(
    "pre",
    { class: "diff", tabindex: 0, "aria-label": "The difference" },
    text
      .split("\n")
      .map((line) => h("span", { class: line.startsWith("+") ? "plus" : line.startsWith("-") ? "minus" : "same" }, `${line}\n`)),
  );
}

/** JSON laid out, whether it comes as a value or as a text; any other text as it is. */
export function pretty(value) {
  const found = parsed(value);
  return typeof found === "string" ? found : JSON.stringify(found, null, 2);
}

function parsed(value) {
  if (typeof value !== "string") return value ?? null;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** What was done, counted in words. */
export const counted = (effects) => Object.entries(effects).map(([kind, times]) => plural(times, DONE[kind] ?? kind));
