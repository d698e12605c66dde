// Plays a run from the file that it is in: everything on the screen is a function of the number of the step.

import { fill, h } from "../static/dom.js";
import { GraphView } from "../static/graph.js";
import { at, number, seconds, usd } from "../static/words.js";

const data = JSON.parse(document.getElementById("run").textContent);
const { run, steps } = data;
const last = steps.length - 1;
const PACES = [1000, 400, 100];

const graph = new GraphView(h("section", { id: "graph", class: "picture", tabindex: 0, "aria-label": "Graph" }), {
  select: (id) => visit(id),
});
const rows = steps.map((step) => transcriptRow(step));
const transcript = h("ol", { id: "transcript", "aria-label": "What was said" }, rows);
const detail = h("section", { id: "detail", class: "card", tabindex: 0, "aria-label": "The step" });
const scrub = h("input", { type: "range", min: 0, max: last, step: 1, "aria-label": "Step", oninput: () => show(Number(scrub.value)) });
const where = h("output", { class: "num" });
const play = h("button", { "aria-label": "Play", onclick: () => toggle() }, "▶");
const pace = h(
  "select",
  { "aria-label": "Pace" },
  ["slow", "normal", "fast"].map((name, index) => h("option", { value: index, selected: index === 1 }, name)),
);
let now = -1;
let playing = 0;

function transcriptRow(step) {
  const title = step.step === 0 ? "Beginning" : `${step.step} · ${step.sender || step.node}`;
  return h(
    "li",
    { class: "later" },
    h(
      "button",
      { onclick: () => show(step.step) },
      h("span", { class: "quiet" }, title),
      h("span", { class: "text" }, step.text ?? ""),
      step.error ? h("span", { class: "error" }, step.error) : null,
    ),
  );
}

/** Show the run as it stood after a step. */
function show(wanted) {
  const to = Math.max(0, Math.min(last, wanted));
  if (to === now) return;
  for (let place = Math.min(now, to) + 1; place <= Math.max(now, to); place++) rows[place].classList.toggle("later", place > to);
  rows[now]?.classList.remove("now");
  rows[now]?.firstChild.removeAttribute("aria-current");
  rows[to].classList.add("now");
  rows[to].firstChild.setAttribute("aria-current", "step");
  rows[to].scrollIntoView({ block: "nearest" });
  now = to;
  scrub.value = to;
  scrub.setAttribute("aria-valuetext", `Step ${to} of ${last}, ${steps[to].node}`);
  where.textContent = `${to} / ${last}`;
  mark(to);
  fill(detail, described(steps[to], to));
}

function mark(to) {
  if (!graph.svg) return;
  const visited = new Set();
  const taken = new Set();
  for (let place = 0; place <= to; place++) {
    const seen = graph.seenAs(steps[place].node);
    if (seen) visited.add(seen);
    const arrow = steps[place].edge && graph.arrowOf(steps[place].edge);
    if (arrow && place < to) taken.add(arrow);
  }
  const step = steps[to];
  const current = graph.seenAs(step.node);
  const arrow = step.edge ? graph.arrowOf(step.edge) : null;
  const refused = (step.choice?.guards ?? [])
    .filter((guard) => guard.value === "false")
    .map((guard) => graph.arrowOf(guard.edge))
    .filter(Boolean);
  visited.delete(current);
  graph.mark({ visited: [...visited], taken: [...taken], current: current ? [current] : [], "just-taken": arrow ? [arrow] : [], refused });
}

/** Go to the next step at which a node had the turn. */
function visit(id) {
  const next = steps.findIndex((step) => step.step > now && graph.seenAs(step.node) === id);
  const first = next < 0 ? steps.findIndex((step) => graph.seenAs(step.node) === id) : next;
  if (first >= 0) show(first);
}

function described(step, place) {
  return [
    h(
      "div",
      {},
      h("h2", {}, step.step === 0 ? "The beginning" : `Step ${step.step}: ${step.node}`),
      h("p", { class: "quiet num" }, facts(step)),
    ),
    step.error ? h("p", { class: "problem" }, step.error) : null,
    (step.messages ?? []).map(message),
    (step.nested ?? []).length
      ? section(
          "Inside this step",
          step.nested.map((inner) =>
            h("div", { class: "message" }, h("span", { class: "quiet" }, `${inner.path} · ${inner.sender}`), h("p", {}, inner.text)),
          ),
        )
      : null,
    step.choice ? section("Who came next, and why", choice(step.choice)) : null,
    (step.done ?? []).length
      ? section("What was done", h("table", {}, head("what", "asked", "came back"), h("tbody", {}, step.done.map(effect))))
      : null,
    (step.changes ?? []).length
      ? section(
          "What changed in the state",
          h(
            "table",
            {},
            head("place", "before", "after"),
            h(
              "tbody",
              {},
              step.changes.map((change) => h("tr", {}, cell(change.place), cell(json(change.before)), cell(json(change.after)))),
            ),
          ),
        )
      : null,
    section("The state", h("pre", { class: "mono" }, JSON.stringify(stateAt(place), null, 2))),
    step.problem ? h("p", { class: "problem" }, step.problem) : null,
  ];
}

function facts(step) {
  const told = [
    step.at ? at(step.at) : "",
    step.seconds ? seconds(step.seconds) : "",
    step.tokens ? `${number(step.tokens)} tokens` : "",
    step.usd ? usd(step.usd) : "",
  ];
  return told.filter(Boolean).join(" · ");
}

/** The state after a step: each step holds only the fields that it has changed, and the names of those that are gone. */
function stateAt(place) {
  const state = {};
  for (let step = 0; step <= place; step++) {
    for (const name of steps[step].gone ?? []) delete state[name];
    for (const [name, value] of Object.entries(steps[step].set ?? {}))
      Object.defineProperty(state, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return state;
}

function message(one) {
  const calls = (one.tool_calls ?? []).map((call) => h("pre", {}, `${call.name}(${call.arguments})`));
  const parts = one.parts.map((part) =>
    part.kind === "image" ? h("img", { src: part.image, alt: part.text || "A picture" }) : h("p", {}, part.text),
  );
  return h(
    "div",
    { class: "message" },
    h("span", { class: "quiet" }, one.role === "tool" ? `result for ${one.sender}` : one.sender),
    parts,
    calls,
  );
}

function choice(chosen) {
  const chose = chosen.chosen_by ? `Chosen by ${chosen.chosen_by}.` : "";
  return [
    h("p", {}, chosen.target ? `${chosen.target} came next. ${chose}` : (chosen.reason ?? "Nobody came next.")),
    (chosen.answers ?? []).map((answer) => h("pre", {}, answer)),
    h(
      "table",
      {},
      head("to", "guard", "value", "why"),
      h(
        "tbody",
        {},
        (chosen.guards ?? []).map((guard) =>
          h(
            "tr",
            { class: guard.taken ? "taken" : null },
            cell([guard.target, guard.label ? ` (${guard.label})` : ""].join("")),
            cell(guard.guard),
            cell(guard.value),
            cell(guard.why),
          ),
        ),
      ),
    ),
  ];
}

function effect(done) {
  const asked =
    done.kind === "human" || done.kind === "doubt"
      ? `${done.request?.to ?? done.name} was asked: ${done.request?.prompt ?? ""}`
      : json(done.request);
  return h(
    "tr",
    {},
    cell(`${done.kind} ${done.name}`),
    cell(asked),
    cell(done.error || (done.finished === false ? "no answer yet" : json(done.result))),
  );
}

const json = (value) => (value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value, null, 2));
const cell = (words) => h("td", {}, h("pre", {}, words ?? ""));
const head = (...names) =>
  h(
    "thead",
    {},
    h(
      "tr",
      {},
      names.map((name) => h("th", { scope: "col" }, name)),
    ),
  );
const section = (title, content) => h("div", {}, h("h3", {}, title), content);

function toggle() {
  clearTimeout(playing);
  playing = playing ? 0 : setTimeout(() => go(), 0);
  fill(play, playing ? "❚❚" : "▶");
  play.setAttribute("aria-label", playing ? "Pause" : "Play");
}

function go() {
  show(now + 1);
  if (now === last) return toggle();
  playing = setTimeout(go, PACES[Number(pace.value)]);
  return undefined;
}

const KEYS = {
  ArrowRight: () => now + 1,
  ArrowLeft: () => now - 1,
  Home: () => 0,
  End: () => last,
  PageDown: () => now + 10,
  PageUp: () => now - 10,
};

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  if (event.key === " " && !event.target.matches("button")) {
    event.preventDefault();
    toggle();
  } else if (KEYS[event.key]) {
    event.preventDefault();
    show(KEYS[event.key]());
  }
}

fill(
  document.body,
  h(
    "header",
    { id: "head" },
    h("h1", {}, `Run ${run.run_id}`),
    h("span", { class: `badge ${run.status}` }, run.status),
    h("span", {}, `of ${run.graph}`),
    h("span", { class: "quiet" }, run.reason ?? ""),
  ),
  h("main", { id: "player" }, graph.container, h("div", { id: "right" }, transcript, detail)),
  h("footer", { id: "timeline" }, play, pace, scrub, where),
);
if (data.picture.svg || data.picture.problem) graph.show(data.picture);
document.addEventListener("keydown", pressed);
const asked = Number(location.hash.slice(1));
show(Number.isInteger(asked) ? asked : 0);
