// Short messages at the edge of the page, read out by screen readers.

import { h } from "./dom.js";

const place = document.getElementById("notices");

/** Say something; it goes away by itself, or when it is clicked. */
export function tell(text, kind = "note") {
  const notice = h(
    "div",
    { class: `notice ${kind}` },
    h("span", {}, text),
    h("button", { "aria-label": "Dismiss", onclick: () => notice.remove() }, "×"),
  );
  place.append(notice);
  while (place.children.length > 4) place.firstElementChild.remove();
  setTimeout(() => notice.remove(), kind === "error" ? 20_000 : 6_000);
}

/** Say what went wrong. */
export const complain = (error) => tell(error.message, "error");
