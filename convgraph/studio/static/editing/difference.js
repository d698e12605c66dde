// Two texts line by line: what goes and what comes.

import { h } from "../dom.js";

const MOST = 4000;

/** The lines of both as `[sign, text]`: " ", "-" or "+". Long texts are compared where they differ only. */
export function lineDifference(before, after) {
  const left = before === "" ? [] : before.replace(/\n$/, "").split("\n");
  const right = after === "" ? [] : after.replace(/\n$/, "").split("\n");
  let head = 0;
  while (head < left.length && head < right.length && left[head] === right[head]) head += 1;
  let tail = 0;
  while (tail < left.length - head && tail < right.length - head && left.at(-1 - tail) === right.at(-1 - tail)) tail += 1;
  const middle = between(left.slice(head, left.length - tail), right.slice(head, right.length - tail));
  const same = (line) => [" ", line];
  return [...left.slice(0, head).map(same), ...middle, ...left.slice(left.length - tail).map(same)];
}

function between(left, right) {
  if (left.length * right.length > MOST * MOST) return [...left.map((line) => ["-", line]), ...right.map((line) => ["+", line])];
  const width = right.length + 1;
  const common = new Uint32Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i -= 1) {
    for (let j = right.length - 1; j >= 0; j -= 1) {
      common[i * width + j] =
        left[i] === right[j] ? common[(i + 1) * width + j + 1] + 1 : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  const lines = [];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      lines.push([" ", left[i++]]);
      j += 1;
    } else if (j >= right.length || (i < left.length && common[(i + 1) * width + j] >= common[i * width + j + 1]))
      lines.push(["-", left[i++]]);
    else lines.push(["+", right[j++]]);
  }
  return lines;
}

/** The difference as an element, with three lines around each change. */
export function differenceView(lines) {
  const near = lines.map((_, index) => lines.slice(Math.max(0, index - 3), index + 4).some(([sign]) => sign !== " "));
  const shown = lines.flatMap((line, index) => (near[index] ? [line] : near[index - 1] ? [["…", ""]] : []));
  if (!shown.length) return h("p", { class: "quiet" }, "Nothing differs.");
  const names = { "-": "gone", "+": "come", "…": "quiet" };
  return h(
    "pre",
    { class: "difference", tabindex: 0, "aria-label": "What differs" },
    shown.map(([sign, text]) => h("span", { class: names[sign] ?? "" }, `${sign} ${text}\n`)),
  );
}
