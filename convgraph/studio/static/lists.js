// When the lists of runs and questions have changed: one stream for all of the page, closed while nobody looks at it.

import { listen } from "./api.js";

const heard = new Set();
let last = null;
let end = null;

function open() {
  if (end || document.hidden) return;
  end = listen("/api/changes", {
    lists: (lists) => {
      last = lists;
      for (const work of heard) work(lists);
    },
  });
}

function close() {
  end?.();
  end = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));

/** Call `work({runs, questions})` now, if it is known, and whenever one of them has changed. Returns what ends it. */
export function onLists(work) {
  heard.add(work);
  open();
  if (last) work(last);
  return () => heard.delete(work);
}
