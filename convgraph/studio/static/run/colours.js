// Who speaks has a colour: the same in the transcript and on the timeline. Names say it too; the colour only helps.

const HUES = 10;
const given = new Map();

/** The number of a node's colour; by the order in which nodes are first met, so that neighbours differ. */
export function hue(node) {
  const name = node.split("/")[0];
  if (!given.has(name)) given.set(name, given.size % HUES);
  return given.get(name);
}

/** Forget the colours of another run, and give them to these nodes in order. */
export function colourNodes(nodes) {
  given.clear();
  for (const node of nodes) hue(node);
}

/** The colours themselves, as they are in the scheme in use. */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  return Array.from({ length: HUES }, (_, number) => style.getPropertyValue(`--who-${number}`).trim());
}
