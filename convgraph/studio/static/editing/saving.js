// Saving a draft into the studio's folder, and what to do when its file is another by now.

import { get, path, put } from "../api.js";
import { fill, h } from "../dom.js";
import { differenceView, lineDifference } from "./difference.js";

/**
 * Save `draft` as `name`. Gives `{graph, base}`, or null where somebody has thought better of it. Throws what the studio refuses for
 * another reason than that the file has changed.
 */
export async function save(draft, name) {
  await draft.settle();
  if (draft.failed) throw new Error(`What was changed last has not reached the studio, so nothing is saved: ${draft.failed}`);
  try {
    return await put(path("api", "drafts", name), { yaml: draft.yaml, base: draft.base });
  } catch (error) {
    if (error.kind !== "Stale") throw error;
    return conflict(draft, name, error);
  }
}

/** Show what is on disk beside what is here; overwrite it only if somebody says so. */
async function conflict(draft, name, error) {
  const there = await onDisk(name);
  const lines = there ? lineDifference(there.yaml, draft.yaml) : [];
  return new Promise((done, failed) => {
    const dialog = h("dialog", {
      class: "wide-dialog",
      "aria-labelledby": "conflict-title",
      onclose: () => {
        dialog.remove();
        done(null);
      },
    });
    const overwrite = async () => {
      try {
        const saved = await put(path("api", "drafts", name), { yaml: draft.yaml, base: there?.base ?? null });
        done(saved);
      } catch (refused) {
        failed(refused);
      }
      dialog.close();
    };
    fill(
      dialog,
      h(
        "div",
        { class: "stack" },
        h("h2", { id: "conflict-title" }, "The file is not what it was"),
        h("p", {}, error.message),
        there ? [h("p", { class: "quiet" }, "− stands in the file, + stands here:"), differenceView(lines)] : null,
        h(
          "div",
          { class: "row" },
          h("button", { onclick: () => dialog.close() }, "Keep the file"),
          h("button", { class: "danger", onclick: overwrite }, there ? "Overwrite the file" : "Write the file again"),
        ),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

async function onDisk(name) {
  const found = (await get("/api/graphs")).find(
    (graph) =>
      graph.editable &&
      graph.target
        .split("/")
        .at(-1)
        .replace(/\.ya?ml$/, "") === name,
  );
  return found ? get(path("api", "graphs", found.id, "source")) : null;
}
