// What waits for a person, in all runs: the oldest first, under the run that asks.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { onLists } from "../lists.js";
import { complain, tell } from "../notices.js";
import { questionCard } from "../question.js";
import { saidBefore } from "../said_before.js";
import { short } from "../words.js";

const keyOf = (question) => JSON.stringify([question.run_id, question.id]);

export async function show(main) {
  const groups = new Map(); // by run: what is typed into a card stays there as long as its question is open
  const cards = new Map();
  const list = h("div", { class: "stack" });
  const blank = h("div", {});
  fill(main, h("section", { class: "stack inbox" }, h("h1", {}, "Inbox"), list, blank));
  let left = false;

  const load = async () => {
    const questions = await get("/api/questions");
    if (left) return;
    const open = new Set(questions.map(keyOf));
    for (const [key, card] of cards) if (!open.has(key)) gone(key, card);
    for (const question of questions) if (!cards.has(keyOf(question))) add(question);
    showBlank();
  };

  function add(question) {
    const card = questionCard(question, {
      answered: () => {
        tell("Answered.");
        drop(keyOf(question));
        showBlank();
      },
    });
    card.run = question.run_id;
    cards.set(keyOf(question), card);
    groupOf(question).append(card);
  }

  function groupOf(question) {
    if (!groups.has(question.run_id)) {
      const graph = question.graph_id ? h("a", { href: `#/graph/${question.graph_id}` }, question.graph) : question.graph;
      const title = h(
        "h2",
        {},
        h("a", { href: `#/run/${encodeURIComponent(question.run_id)}`, title: question.run_id }, `Run ${short(question.run_id)}`),
        " of ",
        graph,
      );
      const group = h("section", { class: "stack", "aria-label": `Run ${question.run_id}` }, title, saidBefore(question.run_id));
      groups.set(question.run_id, group);
      list.append(group);
    }
    return groups.get(question.run_id);
  }

  /** What was typed for a question that is not open any more stays readable until it is put away. */
  function gone(key, card) {
    if (!card.changed) return drop(key);
    if (card.gone) return undefined;
    card.gone = true;
    for (const control of card.querySelectorAll("button")) control.disabled = true;
    const away = () => {
      drop(key);
      showBlank();
    };
    return card.append(
      h(
        "p",
        { class: "problem", role: "alert" },
        "This is not asked any more: somebody has answered it, or its run has ended. ",
        h("button", { onclick: away }, "Put away"),
      ),
    );
  }

  function drop(key) {
    const card = cards.get(key);
    cards.delete(key);
    card?.remove();
    const group = groups.get(card?.run);
    if (group && !group.querySelector(".question")) {
      group.remove();
      groups.delete(card.run);
    }
  }

  function showBlank() {
    const empty = h(
      "div",
      { class: "empty" },
      h("h2", {}, "Nobody is asked anything"),
      h(
        "p",
        {},
        "When a run needs a person (an answer, consent to a tool call or to code, or a decision about something that was cut short), it stops and its question appears here. Answered, it goes on.",
      ),
    );
    fill(blank, cards.size ? null : empty);
  }

  await load();
  const off = onLists(() => load().catch(complain));
  return () => {
    left = true;
    off();
  };
}
