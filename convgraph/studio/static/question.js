// A question that waits for a person, with what it takes to answer it: a form, consent to a tool call or to code, or what became of
// something that was cut short. Used by the inbox and by the page of a run.

import { fieldFor, NotJson } from "./answer_form.js";
import { path, post, Refused } from "./api.js";
import { fill, h } from "./dom.js";
import { tell } from "./notices.js";
import { ago, at } from "./words.js";

const FEW = 6;

/** The card of `question` (a QuestionOut). `answered(question)` is called when an answer was taken. `.changed` says whether something was typed. */
export function questionCard(question, { answered = () => {} } = {}) {
  const title = { question: "Question", tool: "May this tool be called?", code: "May this code run?", doubt: "Did this happen?" }[
    question.kind
  ];
  const wrong = h("p", { class: "problem", role: "alert", hidden: true });
  const card = h("article", { class: `card stack question ${question.kind}`, "aria-label": `${title} ${question.id}` });
  const send = async (value, complain = null) => {
    wrong.hidden = true;
    complain?.(null);
    busy(card, true);
    try {
      const taken = await post(
        path("api", "runs", question.run_id, "answers") + `/${question.id.split("/").map(encodeURIComponent).join("/")}`,
        { value },
      );
      if (taken.problem) tell(taken.problem);
      answered(question);
    } catch (error) {
      busy(card, false);
      refused(error, complain, wrong, card);
    }
  };
  const body = { tool: consent, code: consent, doubt, question: asked }[question.kind](question, send);
  fill(
    card,
    h(
      "div",
      { class: "row spread" },
      h("h3", {}, question.kind === "question" ? `Question for ${question.to}` : title),
      h("time", { class: "quiet", title: at(question.asked) }, ago(question.asked)),
    ),
    body,
    wrong,
  );
  card.addEventListener("input", () => (card.changed = true));
  return card;
}

function busy(card, wait) {
  for (const control of card.querySelectorAll("button, input, select, textarea")) control.disabled = wait;
  card.toggleAttribute("aria-busy", wait);
}

function refused(error, complain, wrong, card) {
  const told = (error.details ?? []).filter(({ place, message }) => !complain?.(place, message));
  const atFields = complain && error.details?.length && told.length === 0;
  wrong.hidden = Boolean(atFields);
  wrong.textContent = error instanceof Refused && error.status === 409 ? `Somebody was faster: ${error.message}` : error.message;
  if (atFields) card.querySelector("[aria-invalid]")?.focus();
}

function asked(question, send) {
  const schema = question.schema;
  const prompt = h("p", { class: "prompt" }, question.prompt);
  const choices =
    schema.type === "boolean"
      ? [
          [true, "Yes"],
          [false, "No"],
        ]
      : Array.isArray(schema.enum) && schema.enum.length <= FEW
        ? schema.enum.map((value) => [value, typeof value === "string" ? value : JSON.stringify(value)])
        : null;
  if (choices) {
    return [
      prompt,
      h(
        "div",
        { class: "row", role: "group", "aria-label": "Answers" },
        choices.map(([value, words]) => h("button", { type: "button", onclick: () => send(value) }, words)),
      ),
    ];
  }
  let field = fieldFor(schema, { name: schema.title ?? "" });
  const place = h("div", {}, field.element);
  const turn = (event) => {
    field = fieldFor({ title: "Answer" }, { value: held(field) });
    fill(place, field.element);
    event.target.remove();
  };
  const form = h(
    "form",
    {
      class: "stack",
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        let value;
        try {
          value = field.read();
        } catch (error) {
          field.complain(null);
          field.complain(error.place, error.message);
          return;
        }
        send(Number.isNaN(value) || value === undefined ? null : value, field.complain);
      },
    },
    place,
    h(
      "div",
      { class: "row" },
      h("button", { class: "main" }, "Answer"),
      schema.type === "object" ? h("button", { type: "button", class: "plain", onclick: turn }, "Write it as JSON") : null,
    ),
  );
  return [prompt, form];
}

function held(field) {
  try {
    return field.read();
  } catch (error) {
    if (error instanceof NotJson) return undefined;
    throw error;
  }
}

function consent(question, send) {
  const reason = h("input", { type: "text", "aria-label": "Why not (optional)", placeholder: "Why not (optional)" });
  return [
    question.kind === "tool" ? call(question) : code(question),
    h(
      "div",
      { class: "row" },
      h("button", { type: "button", class: "main", onclick: () => send("approve") }, "Allow"),
      h(
        "button",
        { type: "button", class: "danger", onclick: () => send(reason.value.trim() ? { refuse: reason.value.trim() } : "refuse") },
        "Refuse",
      ),
      reason,
    ),
  ];
}

function call({ subject, to }) {
  const rows = Object.entries(subject.arguments ?? {}).map(([name, value]) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, name),
      h("td", {}, h("pre", {}, typeof value === "string" ? value : JSON.stringify(value, null, 2))),
    ),
  );
  return [
    h("p", {}, `${to} wants to call `, h("code", {}, subject.tool), rows.length ? " with:" : " without arguments."),
    rows.length
      ? h(
          "table",
          { class: "arguments" },
          h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "argument"), h("th", { scope: "col" }, "value"))),
          h("tbody", {}, rows),
        )
      : null,
  ];
}

const ISOLATION = {
  none: "It runs as a plain process of this machine: it can do whatever the user can who runs it.",
  sandbox: "It runs in a sandbox, without the network.",
  container: "It runs in a container.",
};

function code({ subject, to }) {
  return [
    h("p", {}, `${to} wants to run this code${subject.executor ? ` (${subject.executor})` : ""}. `, ISOLATION[subject.isolation] ?? null),
    (subject.code ?? []).map((block) =>
      h(
        "figure",
        {},
        h("figcaption", { class: "quiet" }, block.language || "code"),
        h("pre", { class: "source", tabindex: 0, "aria-label": `Code, ${block.language || "language unknown"}` }, block.code),
      ),
    ),
  ];
}

const WHAT = {
  tool: "The call of the tool",
  code: "The code",
  reply: "The reply function",
  human: "The question by",
  conversation: "The conversation",
};

function doubt(question, send) {
  const result = h("textarea", { rows: 2, "aria-label": "Its result (as JSON, or as plain text)" });
  const given = () => {
    try {
      return JSON.parse(result.value);
    } catch {
      return result.value;
    }
  };
  return [
    h(
      "p",
      {},
      `${WHAT[question.subject.effect] ?? question.subject.effect} `,
      h("code", {}, question.subject.name),
      " was begun, and then the process stopped. Nobody knows whether it happened. Look where it would show (was the mail sent, the file written?), then say:",
    ),
    h(
      "div",
      { class: "row" },
      h("button", { type: "button", onclick: () => send("retry") }, "It did not happen: do it again"),
      h("button", { type: "button", onclick: () => send("fail") }, "Let the turn fail"),
    ),
    h(
      "details",
      {},
      h("summary", {}, "It happened, and its result is known"),
      h(
        "div",
        { class: "stack" },
        result,
        h("button", { type: "button", onclick: () => send({ result: given() }) }, "Go on with this result"),
      ),
    ),
  ];
}
