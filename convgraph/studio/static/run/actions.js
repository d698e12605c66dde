// What can be done with a run: stop it, go on with it, say the next thing, fork it, replay it, compare it, take it along.

import { get, path, post } from "../api.js";
import { fill, h } from "../dom.js";
import { complain, tell } from "../notices.js";
import { ago, short } from "../words.js";

const LIMITS = [
  ["turns", "Turns", 1],
  ["seconds", "Seconds", "any"],
  ["tokens", "Tokens", 1],
  ["usd", "US dollars", "any"],
];
const CAN_RESUME = new Set(["ready", "interrupted", "cancelled", "failed", "limited", "waiting"]);
const CAN_CONTINUE = new Set(["finished", "stuck", "limited"]);

const at = (id, verb) => path("api", "runs", id, verb);
const go = (id, step) => (location.hash = `#/run/${encodeURIComponent(id)}${step === undefined ? "" : `/${step}`}`);

/** The buttons for what can be done now. `replayed(divergence)` is told where a replay differed, or null where it did not. */
export function actions(model, replayed) {
  const { run } = model;
  const known = run.graph_id !== null;
  const why = known ? null : run.problem || "The studio does not know the graph of this run.";
  const button = (text, work, can = known, kind = "") =>
    h("button", { class: kind, disabled: !can, title: can ? null : why, onclick: () => Promise.resolve(work()).catch(complain) }, text);
  return [
    run.status === "running" && run.live ? button("Stop", () => post(at(run.run_id, "cancel")), true, "danger") : null,
    run.status === "running" && !run.live ? h("span", { class: "quiet" }, "goes on in another process") : null,
    CAN_RESUME.has(run.status) ? button("Resume", () => resume(run), known, run.status === "waiting" ? "" : "main") : null,
    CAN_CONTINUE.has(run.status) ? button("Continue…", () => sayNext(run), known) : null,
    button("Fork from here…", () => fork(model), known && model.total > 0),
    button("Replay", () => replay(model, replayed), known && model.total > 0 && run.status !== "running"),
    button("Compare…", () => compare(run), true),
    exports(run),
  ];
}

function exports(run) {
  const link = (format, text) =>
    h("a", { href: path("api", "runs", run.run_id, "export", { format }), download: true, role: "menuitem" }, text);
  const menu = h(
    "details",
    { class: "menu" },
    h("summary", { class: "button" }, "Export"),
    h("div", { class: "items" }, link("html", "A page that plays it"), link("json", "Its record")),
  );
  menu.addEventListener("focusout", (event) => menu.contains(event.relatedTarget) || (menu.open = false));
  menu.addEventListener("keydown", (event) => event.key === "Escape" && (menu.open = false));
  return menu;
}

/** A dialog with a form; `send` does it, and throws what is wrong, which is shown. */
function dialog(title, body, verb, send) {
  const wrong = h("p", { class: "problem", role: "alert", hidden: true });
  const confirm = h("button", { class: "main", type: "submit" }, verb);
  const name = `dialog-${Math.random().toString(36).slice(2)}`;
  const shown = h(
    "dialog",
    { class: "verb", "aria-labelledby": name, onclose: () => shown.remove() },
    h(
      "form",
      {
        method: "dialog",
        class: "stack",
        onsubmit: async (event) => {
          event.preventDefault();
          wrong.hidden = true;
          confirm.disabled = true;
          try {
            await send();
            shown.close();
          } catch (error) {
            wrong.textContent = error.message;
            wrong.hidden = false;
          } finally {
            confirm.disabled = false;
          }
        },
      },
      h("h2", { id: name }, title),
      body,
      wrong,
      h("div", { class: "row" }, confirm, h("button", { type: "button", onclick: () => shown.close() }, "Cancel")),
    ),
  );
  document.body.append(shown);
  shown.showModal();
  return { shown, confirm };
}

async function resume(run) {
  if (run.status !== "limited" && run.status !== "failed") return void (await post(at(run.run_id, "resume")));
  const limits = LIMITS.map(([name, words, step]) => {
    const now = run.limits.find((limit) => limit.name === name);
    return [
      name,
      words,
      h("input", { type: "number", min: 0, step, class: "num short", value: now ? now.limit : null, placeholder: "none" }),
    ];
  });
  const redo = h("input", { type: "checkbox" });
  const body =
    run.status === "limited"
      ? [
          h("p", {}, run.reason),
          h(
            "fieldset",
            {},
            h("legend", {}, "Limits from here on"),
            h(
              "div",
              { class: "row" },
              limits.map(([, words, control]) => h("label", {}, words, control)),
            ),
          ),
        ]
      : [
          h("p", { class: "problem" }, run.reason),
          h("label", { class: "check" }, redo, "Make the unfinished turn anew, instead of reading its model calls back"),
        ];
  dialog("Resume the run", body, "Resume", () => {
    const given = limits.filter(([, , control]) => control.value !== "").map(([name, , control]) => [name, Number(control.value)]);
    return post(at(run.run_id, "resume"), { redo_turn: redo.checked, limits: run.status === "limited" ? Object.fromEntries(given) : null });
  });
}

function sayNext(run) {
  const said = h("textarea", { rows: 4, required: true, "aria-label": "What the user says next" });
  dialog(
    "Continue the conversation",
    [h("p", { class: "quiet" }, "The user's next message; whoever begins the graph answers it."), said],
    "Send",
    () => post(at(run.run_id, "continue"), { input: said.value }),
  );
}

async function fork(model) {
  const { run } = model;
  const step = Math.max(1, model.selected);
  const detail = await get(path("api", "runs", run.run_id, "steps", String(step)));
  const last = detail.messages.at(-1);
  const before = last
    ? last.parts
        .filter((part) => part.kind === "text")
        .map((part) => part.text)
        .join("\n")
    : "";
  const plain = last && last.parts.every((part) => part.kind === "text");
  const said = h("textarea", { rows: 6, ".value": before, disabled: !plain });
  const state =
    detail.state && Object.keys(detail.state).length
      ? h("textarea", { rows: 8, class: "mono", spellcheck: "false", ".value": JSON.stringify(detail.state, null, 2) })
      : null;
  const fault = h("p", { class: "fault", role: "status" });
  const begin = h("input", { type: "checkbox", checked: true });
  const opened = dialog(
    `Fork from step ${step}`,
    [
      h(
        "p",
        { class: "quiet" },
        `A new run that shares steps 1 to ${step} with this one. Change what ${last?.sender ?? detail.node} said, or the state, and see what becomes of it; who comes next is then chosen anew.`,
      ),
      h("label", {}, `What ${last?.sender ?? detail.node} said`, said),
      state ? [h("label", {}, "The state (JSON)", state), fault] : null,
      h("label", { class: "check" }, begin, "Begin it at once"),
    ],
    "Fork",
    async () => {
      const row = await post(at(run.run_id, "fork"), {
        at: step,
        message: said.value !== before ? said.value : null,
        state: state ? changedFields(detail.state, read(state)) : null,
        begin: begin.checked,
      });
      tell(`Forked at step ${step}`);
      go(row.run_id);
    },
  );
  state?.addEventListener("input", () => {
    try {
      read(state);
      fault.textContent = "";
    } catch (error) {
      fault.textContent = error.message;
    }
    state.setAttribute("aria-invalid", String(Boolean(fault.textContent)));
    opened.confirm.disabled = Boolean(fault.textContent);
  });
}

function read(control) {
  let value;
  try {
    value = JSON.parse(control.value);
  } catch (error) {
    throw new Error(`This is no JSON: ${error.message}`);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error('A state is an object, as in {"score": 1}.');
  return value;
}

function changedFields(before, after) {
  const changed = Object.fromEntries(
    Object.entries(after).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name])),
  );
  return Object.keys(changed).length ? changed : null;
}

async function replay(model, replayed) {
  const found = await post(at(model.id, "replay"));
  for (const warning of found.warnings) tell(warning);
  replayed(found.divergence);
  if (found.same) tell(`Replayed ${found.steps} steps from the record: the same, step by step.`);
}

async function compare(run) {
  const { runs } = await get(path("api", "runs", { graph: run.graph, limit: 50 }));
  const others = runs.filter((one) => one.run_id !== run.run_id);
  if (run.parent && !others.some((one) => one.run_id === run.parent))
    others.unshift({ run_id: run.parent, status: "its parent", created: run.created, labels: [] });
  if (!others.length) return tell("There is no other run of this graph to compare it with. Fork it, or run the graph again.");
  const other = h(
    "select",
    { size: Math.min(8, Math.max(2, others.length)), "aria-label": "The other run" },
    others.map((one) =>
      h(
        "option",
        { value: one.run_id, selected: run.parent ? one.run_id === run.parent : one === others[0] },
        `${short(one.run_id)} · ${one.status} · ${ago(one.created)}${one.run_id === run.parent ? " · forked from it" : ""}${one.labels.length ? ` · ${one.labels.join(", ")}` : ""}`,
      ),
    ),
  );
  dialog(
    "Compare with another run",
    [other],
    "Compare",
    () => (location.hash = `#/compare/${encodeURIComponent(other.value)}/${encodeURIComponent(run.run_id)}`),
  );
}
