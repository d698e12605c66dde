// What somebody has said, as elements: paragraphs, lists of lines as they are, code in fences and between backticks, emphasis. Texts
// become text nodes; nothing of it can become markup.

import { h } from "../dom.js";

const FENCE = /^[ \t]*(```+|~~~+)[ \t]*([\w+#.-]*)[^\n]*\n([\s\S]*?)(?:^[ \t]*\1[ \t]*$|$(?![\s\S]))/gm;
const INLINE = /(`[^`\n]+`|\*\*[^*\n]+\*\*)/;

/** A text as elements, in a `div.prose`. */
export function prose(text) {
  const said = h("div", { class: "prose" });
  let end = 0;
  for (const fence of text.matchAll(FENCE)) {
    plain(said, text.slice(end, fence.index));
    said.append(code(fence[3].replace(/\n$/, ""), fence[2]));
    end = fence.index + fence[0].length;
  }
  plain(said, text.slice(end));
  return said;
}

/** A block of code with the name of its language. */
export function code(text, language = "") {
  return h(
    "figure",
    { class: "code" },
    language ? h("figcaption", {}, language) : null,
    h("pre", { tabindex: 0, "aria-label": `${language || "some"} code` }, text),
  );
}

function plain(place, text) {
  const trimmed = text.replace(/^\n+|\n+$/g, "");
  if (!trimmed) return;
  const paragraph = h("div", { class: "text" });
  for (const piece of trimmed.split(INLINE)) {
    if (/^`.+`$/.test(piece)) paragraph.append(h("code", {}, piece.slice(1, -1)));
    else if (/^\*\*.+\*\*$/.test(piece)) paragraph.append(h("strong", {}, piece.slice(2, -2)));
    else if (piece) paragraph.append(piece);
  }
  place.append(paragraph);
}
