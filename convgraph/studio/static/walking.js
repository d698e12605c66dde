// Moving about in a picture by keyboard: an arrow key leads to the nearest node in its direction. One part is in the tab order.

const WAYS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

/** Make the nodes of a picture that a `GraphView` has just shown reachable; `at` is the id of the one that Tab comes to. */
export function walkable(view, at = null) {
  if (!view.svg) return;
  const nodes = view.picture.nodes.filter((node) => view.parts.has(node.id));
  const first = view.parts.get(at) ? at : (nodes.find((node) => !["start", "end"].includes(node.shape)) ?? nodes[0])?.id;
  view.parts.get(first)?.setAttribute("tabindex", "0");
  view.svg.addEventListener("keydown", (event) => {
    const way = WAYS[event.key];
    const here = event.target.closest?.(".node-part, .edge-part, .cluster-part");
    if (!way || !here || event.altKey || event.ctrlKey) return;
    event.preventDefault();
    const next = nearest(
      here,
      nodes.map((node) => view.parts.get(node.id)),
      way,
    );
    if (next) comeTo(view, next);
  });
}

/** Put the focus on a part of the picture, and Tab's way back to it. */
export function comeTo(view, element) {
  for (const part of view.parts.values()) part.setAttribute("tabindex", "-1");
  element.setAttribute("tabindex", "0");
  element.focus();
  element.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function nearest(here, others, [right, down]) {
  const from = middle(here);
  let best = null;
  let least = Infinity;
  for (const other of others) {
    if (other === here) continue;
    const to = middle(other);
    const along = (to.x - from.x) * right + (to.y - from.y) * down;
    const aside = Math.abs((to.x - from.x) * down) + Math.abs((to.y - from.y) * right);
    if (along < 4) continue;
    const cost = along + 2 * aside;
    if (cost < least) [best, least] = [other, cost];
  }
  return best;
}

function middle(element) {
  const box = element.getBoundingClientRect();
  return { x: box.left + box.width / 2, y: box.top + box.height / 2 };
}
