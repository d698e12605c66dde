// A run: its graph, its transcript, the step that is looked at, and the timeline. Followed while it goes on, wound back to any step.

import { get, path } from "../api.js";
import { fill, h } from "../dom.js";
import { complain } from "../notices.js";
import { questionCard } from "../question.js";
import { actions } from "../run/actions.js";
import { colourNodes } from "../run/colours.js";
import { GraphPane } from "../run/graph_pane.js";
import { RunModel } from "../run/model.js";
import { limitBars, StepPane } from "../run/step.js";
import { Timeline } from "../run/timeline.js";
import { Transcript } from "../run/transcript.js";
import { ago, at, number, plural, short, usd } from "../words.js";

export async function show(main, [id, step]) {
  const run = await get(path("api", "runs", id));
  const model = new RunModel(id, (news) => told(news));
  model.run = run;
  const wanted = /^\d+$/.test(step ?? "") ? Number(step) : null;
  model.follow = wanted === null;

  const head = h("header", { class: "run-head" });
  const graph = h("section", { class: "graph-pane", "aria-label": "Graph" });
  const turns = h("div", { class: "turns", tabindex: 0, role: "feed", "aria-label": "Transcript" });
  const asked = h("div", { class: "asked", role: "group", "aria-label": "Questions of this run" });
  const detail = h("section", { class: "step-pane", "aria-label": "The step that is looked at", tabindex: 0 });
  const select = (to, follow = false) => model.select(to, follow);
  const timeline = new Timeline(model, select);
  const page = h(
    "div",
    { class: "run-page" },
    head,
    graph,
    h("section", { class: "transcript", "aria-label": "Transcript" }, turns, asked),
    detail,
    timeline.element,
  );
  fill(main, page);
  main.classList.add("whole");
  document.title = `${run.graph} · convgraph studio`;

  const pane = new GraphPane(graph, model, {
    go: (to) => select(to),
    only: (node) => transcript.mark(model.selected, node),
    drawn: (picture) => {
      const nodes = [
        ...new Set(
          picture.nodes
            .filter((node) => !["start", "end", "fork", "join", "hub"].includes(node.shape))
            .concat(picture.clusters)
            .map((node) => node.id.split("/")[0]),
        ),
      ].filter((node) => node !== "START" && node !== "END");
      colourNodes(nodes);
      timeline.setLanes(nodes.length ? nodes : [...new Set(model.rows.map((row) => row.node))]);
      transcript.renew();
    },
  });
  const transcript = new Transcript(turns, model, {
    select: (to) => select(to),
    edge: (edge) => pane.called(edge),
    left: () => model.follow && model.goesOn && model.select(model.selected, false),
  });
  const steps = new StepPane(detail, { choose: (edge) => pane.chooseTransition(edge) });
  let questions = "";
  let first = wanted;

  function told(news) {
    if (news.has("gone"))
      return fill(
        main,
        h("section", { class: "empty" }, h("h1", {}, "This run was deleted"), h("a", { class: "button", href: "#/runs" }, "All runs")),
      );
    if (news.has("rows") && first !== null && model.total >= Math.min(first, model.run.steps)) {
      model.select(first);
      first = null;
      news.add("step");
    }
    if (news.has("run") || news.has("connection")) showHead();
    if (news.has("run")) askedHere();
    if (news.has("rows")) {
      transcript.renew([...model.renewed, model.total + 1]);
      model.renewed.clear();
      if (!pane.picture?.nodes.length) timeline.setLanes([...new Set(model.rows.map((row) => row.node))]);
    }
    if (news.has("speaking") || news.has("run")) transcript.renew([model.total + 1, ...(news.has("run") ? [0] : [])]);
    if (news.has("detail"))
      transcript.renew(
        [...transcript.shown.keys()].filter(
          (one) => one && model.row(one)?.more && model.details.has(one) && !transcript.shown.get(one).dataset.whole,
        ),
      );
    if (news.has("step")) {
      transcript.mark(model.selected);
      transcript.reveal(model.selected, model.follow);
      address();
    } else if (model.follow && (news.has("rows") || news.has("speaking"))) transcript.reveal(model.selected, true);
    steps.show(model.selected, model.row(model.selected), model.detail(model.selected), model.run);
    pane.update();
    timeline.update();
  }

  function address() {
    const here = `#/run/${encodeURIComponent(id)}${model.follow ? "" : `/${model.selected}`}`;
    if (location.hash !== here) history.replaceState(null, "", here);
  }

  function showHead() {
    const { run: now } = model;
    const lost = model.connection === "lost";
    const focused = document.activeElement?.textContent;
    fill(
      head,
      h(
        "div",
        { class: "row" },
        h("h1", {}, now.graph),
        h("span", { class: `badge ${now.status}` }, now.status),
        now.labels.map((label) => h("span", { class: "badge" }, label)),
        h("code", { class: "quiet", title: now.run_id }, short(now.run_id)),
        now.parent
          ? h("a", { href: `#/run/${encodeURIComponent(now.parent)}/${now.parent_step}` }, `forked at step ${now.parent_step}`)
          : null,
        h(
          "span",
          { class: `link ${lost ? "lost" : "found"}`, role: "status" },
          lost ? "connection lost, trying again…" : now.status === "running" ? "live" : "",
        ),
      ),
      h("div", { class: "row verbs" }, actions(model, replayed)),
      h(
        "div",
        { class: "run-facts quiet num" },
        h("span", {}, plural(model.total || now.steps, "step")),
        h("span", {}, plural(now.usage.calls, "model call")),
        h("span", {}, `${number(now.usage.input_tokens + now.usage.output_tokens)} tokens`),
        h("span", {}, usd(now.usage.usd)),
        h("span", { title: at(now.created) }, `begun ${ago(now.created)}`),
        now.reason && now.status !== "finished" ? h("span", { class: now.status === "failed" ? "problem" : "" }, now.reason) : null,
        limitBars(now.limits.filter((limit) => !limit.of)),
      ),
      now.problem ? h("p", { class: "note quiet" }, now.problem) : null,
    );
    if (focused) [...head.querySelectorAll("button")].find((button) => button.textContent === focused)?.focus();
  }

  function replayed(divergence) {
    model.divergence = divergence;
    transcript.renew();
    if (divergence) select(divergence.step);
    timeline.draw();
  }

  async function askedHere() {
    if (!model.run.questions) {
      questions = "";
      return void fill(asked);
    }
    const here = (await get("/api/questions")).filter((question) => question.run_id === id);
    const now = here.map((question) => question.id).join();
    if (now === questions) return;
    questions = now;
    fill(
      asked,
      here.map((question) => questionCard(question)),
    );
  }

  function key(event) {
    if (
      event.defaultPrevented ||
      event.target.closest?.("input, textarea, select, button, a, summary, dialog, [role=button], .turns, .step-pane, .picture")
    )
      return;
    timeline.key(event);
  }

  showHead();
  addEventListener("keydown", key);
  model.connect();
  pane.load().catch(complain);
  askedHere().catch(complain);
  timeline.update();
  model.changed("step");
  return () => {
    removeEventListener("keydown", key);
    main.classList.remove("whole");
    document.title = "convgraph studio";
    model.close();
    pane.close();
    transcript.close();
    timeline.close();
  };
}
