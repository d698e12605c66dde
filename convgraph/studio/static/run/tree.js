// A JSON value as a tree that opens and closes, with what has changed marked in it.

import { h } from "../dom.js";
import { plural } from "../words.js";

const MOST = 200; // members of one value that are shown at once
const LONG = 400;

/**
 * The tree of a value. `changes` are `{place, kind, before, after}`, with places as in `a.b[0]`; what lies on the way to one is open.
 * `open` says how many levels are open anyway.
 */
export function tree(value, changes = [], open = 1) {
  const marks = new Map(changes.map((change) => [change.place, change]));
  return h("div", { class: "tree" }, members(value, "", marks, open, [...marks.keys()]));
}

/** A value in short, in one line. */
export function inShort(value, longest = 80) {
  const text = typeof value === "string" ? JSON.stringify(value) : value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
}

function members(value, place, marks, open, places) {
  const pairs = Array.isArray(value) ? value.map((item, index) => [`[${index}]`, item]) : Object.entries(value ?? {});
  const shown = pairs
    .slice(0, MOST)
    .map(([key, item]) => member(key, item, Array.isArray(value) ? place + key : place ? `${place}.${key}` : key, marks, open, places));
  const gone = places
    .filter((one) => marks.get(one).kind === "removed" && parentOf(one) === place)
    .map((one) =>
      h("div", { class: "leaf removed" }, name(one.slice(place.length).replace(/^\./, "")), leaf(marks.get(one).before), mark("removed")),
    );
  if (pairs.length > MOST) gone.push(h("p", { class: "quiet" }, `… and ${pairs.length - MOST} more`));
  return [...shown, ...gone];
}

function member(key, value, place, marks, open, places) {
  const change = marks.get(place);
  const kind = change?.kind ?? "";
  if (value === null || typeof value !== "object" || Object.keys(value).length === 0) {
    const before = kind === "changed" ? h("span", { class: "before" }, leaf(change.before), " → ") : null;
    return h("div", { class: `leaf ${kind}` }, name(key), before, leaf(value), kind ? mark(kind) : null);
  }
  const inside = places.some((one) => one.startsWith(place) && one !== place);
  const size = Array.isArray(value) ? plural(value.length, "item") : plural(Object.keys(value).length, "field");
  const body = h("div", { class: "branch" });
  const details = h(
    "details",
    { class: kind, open: open > 0 || inside },
    h("summary", {}, name(key), h("span", { class: "quiet" }, size), kind ? mark(kind) : null),
    body,
  );
  const fill = () => body.children.length || body.append(...members(value, place, marks, open - 1, places));
  if (details.open) fill();
  details.addEventListener("toggle", () => details.open && fill());
  return details;
}

const name = (key) => h("span", { class: "key" }, key);
const mark = (kind) => h("span", { class: `mark ${kind}` }, kind);

function leaf(value) {
  const text = value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
  const kind = value === null ? "null" : typeof value;
  const shown = h(
    "span",
    { class: `value ${kind}` },
    kind === "string" ? `"${text.slice(0, LONG)}${text.length > LONG ? "…" : ""}"` : text,
  );
  if (text.length <= LONG) return shown;
  return h("details", { class: "long" }, h("summary", {}, shown), h("pre", {}, text));
}

function parentOf(place) {
  return place.replace(/(\.[^.[\]]+|\[\d+\]|^[^.[\]]+)$/, "");
}
