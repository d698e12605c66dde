// What was said in a run before it asked: its last turns, looked up when somebody wants to see them.

import { get, path } from "./api.js";
import { fill, h } from "./dom.js";
import { openingTurn, turn } from "./run/turn.js";
import { plural } from "./words.js";

const FEW = 3;

/** Something to open below the name of a run that asks. */
export function saidBefore(runId) {
  const place = h("div", { class: "stack" });
  const look = async ({ target }) => {
    if (!target.open) return;
    try {
      fill(place, await lastTurns(runId));
    } catch (error) {
      fill(place, h("p", { class: "problem", role: "alert" }, error.message));
    }
  };
  return h("details", { class: "before", ontoggle: look }, h("summary", {}, "What was said before"), place);
}

async function lastTurns(runId) {
  const run = await get(path("api", "runs", runId));
  const first = Math.max(1, run.steps - FEW + 1);
  const { steps } = await get(path("api", "runs", runId, "steps", { first, count: FEW }));
  const turns = steps.map((row) => turn(row, null));
  if (first === 1) return [openingTurn(run.opening), ...turns];
  const earlier = h("a", { href: `#/run/${encodeURIComponent(runId)}` }, plural(first - 1, "earlier turn"));
  return [h("p", {}, earlier), ...turns];
}
