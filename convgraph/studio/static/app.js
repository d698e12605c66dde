// Which page is shown: the part of the address after `#` says it. Each page is a module with `show(main, parts, query)`, which
// returns what has to be done when it is left.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { onLists } from "./lists.js";
import { complain } from "./notices.js";

const PAGES = {
  runs: ["Runs", () => import("./pages/runs.js")],
  inbox: ["Inbox", () => import("./pages/inbox.js")],
  graphs: ["Graphs", () => import("./pages/graphs.js")],
  run: [null, () => import("./pages/run.js")],
  graph: [null, () => import("./pages/graph.js")],
  edit: [null, () => import("./pages/edit.js")],
  compare: [null, () => import("./pages/compare.js")],
};
const BELONGS_TO = { run: "runs", compare: "runs", graph: "graphs", edit: "graphs" };

const main = document.getElementById("page");
const nav = document.getElementById("nav");
let leave = () => {};
let shown = 0;
let waiting = 0;

async function show() {
  const [address, search] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...parts] = address.split("/").filter(Boolean).map(decodeURIComponent);
  const page = PAGES[name] ?? PAGES.runs;
  const here = PAGES[name] ? name : "runs";
  mark(BELONGS_TO[here] ?? here);
  const turn = ++shown;
  leave();
  leave = () => {};
  fill(main, h("p", { class: "quiet" }, "Loading…"));
  try {
    const module = await page[1]();
    if (turn !== shown) return;
    const left = await module.show(main, parts, new URLSearchParams(search ?? ""));
    if (turn !== shown) left?.();
    else leave = left ?? leave;
  } catch (error) {
    if (turn !== shown) return;
    fill(main, h("section", { class: "empty" }, h("h1", {}, "This cannot be shown"), h("p", {}, error.message)));
  }
}

function mark(current) {
  fill(
    nav,
    Object.entries(PAGES)
      .filter(([, [title]]) => title)
      .map(([name, [title]]) => h("a", { href: `#/${name}`, id: `nav-${name}`, "aria-current": name === current ? "page" : null }, title)),
  );
  countWaiting();
}

/** Say in the navigation how many questions wait for a person. */
function countWaiting() {
  const link = document.getElementById("nav-inbox");
  if (!link) return;
  const count = waiting ? h("span", { class: "count", title: "questions that wait for a person" }, String(waiting)) : null;
  fill(link, "Inbox", count);
}

async function begin() {
  window.addEventListener("hashchange", show);
  try {
    const session = await get("/api/session");
    document.getElementById("where").textContent = session.store;
  } catch (error) {
    complain(error);
  }
  onLists(({ questions }) => {
    waiting = questions;
    countWaiting();
  });
  await show();
}

begin();
