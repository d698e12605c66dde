// A graph's picture: the SVG that the server has drawn, in which parts are marked, selected and opened. What is drawn is what can run.

import { fill, h } from "./dom.js";

const drawings = window.trustedTypes?.createPolicy("convgraph", { createHTML: (svg) => svg }) ?? { createHTML: (svg) => svg };

/** The SVG as an element. It comes from Graphviz by way of the server, which takes links and scripts out of it. */
function drawn(svg) {
  const document_ = new DOMParser().parseFromString(drawings.createHTML(svg), "image/svg+xml");
  return document.importNode(document_.documentElement, true);
}

/**
 * Shows a picture (as `/api/graphs/ID/picture` gives it) in `container`, which scrolls and zooms.
 *
 * `select(id, kind)` is told what is clicked or chosen by keyboard (`kind` is "node", "edge" or "cluster"); `toggle(id)` which
 * sub-graph is to be opened or closed.
 */
export class GraphView {
  constructor(container, { select = () => {}, toggle = null } = {}) {
    this.container = container;
    this.select = select;
    this.toggle = toggle;
    this.picture = null;
    this.scale = 0;
    this.parts = new Map();
    this.names = new Map();
  }

  /** Draw another picture, keeping the zoom. */
  show(picture) {
    this.picture = picture;
    this.parts.clear();
    if (!picture.svg) {
      fill(this.container, h("p", { class: "problem" }, picture.problem), h("pre", { tabindex: 0 }, picture.mermaid));
      return;
    }
    const svg = drawn(picture.svg);
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", "The graph");
    this.width = parseFloat(svg.getAttribute("width"));
    this.height = parseFloat(svg.getAttribute("height"));
    svg.removeAttribute("width");
    svg.removeAttribute("height");
    this.svg = svg;
    fill(this.container, svg);
    for (const node of picture.nodes)
      this.#part(node, "node", `${node.name}, ${node.shape}${node.description ? `: ${node.description}` : ""}`);
    for (const edge of picture.edges) this.#part(edge, "edge", edgeName(edge));
    for (const cluster of picture.clusters) this.#part(cluster, "cluster", `${cluster.name}, open`);
    this.#reachable();
    this.zoom(this.scale || this.fitting());
  }

  /** One part is reached by Tab; arrow keys lead from there to the others. */
  #reachable() {
    const parts = [...this.parts.values()];
    parts[0]?.setAttribute("tabindex", "0");
    this.svg.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const here = parts.indexOf(event.target.closest("[role=button]"));
      if (!by || here < 0) return;
      event.preventDefault();
      parts[here].setAttribute("tabindex", "-1");
      const next = parts[(here + by + parts.length) % parts.length];
      next.setAttribute("tabindex", "0");
      next.focus();
    });
  }

  /** The scale at which the whole picture can be seen; never enlarged. */
  fitting() {
    const room = this.container.getBoundingClientRect();
    return Math.min(1, (room.width - 16) / (this.width * 1.34) || 1, (room.height - 16) / (this.height * 1.34) || 1) || 1;
  }

  /** Show the picture at this scale (1: as Graphviz has made it). */
  zoom(scale) {
    this.scale = Math.min(4, Math.max(0.1, scale));
    this.svg.style.width = `${this.width * 1.34 * this.scale}px`;
    this.svg.style.height = `${this.height * 1.34 * this.scale}px`;
  }

  /** Mark parts: `marks` maps class names to the ids of nodes or edges (`"@edge"` ids begin as in the picture); others lose the class. */
  mark(marks) {
    for (const [name, ids] of Object.entries(marks)) {
      const wanted = new Set(ids);
      for (const [id, element] of this.parts) element.classList.toggle(name, wanted.has(id));
    }
  }

  /** Write beside nodes how often they have had the turn: a Map from ids to numbers. */
  count(visits) {
    for (const old of this.svg?.querySelectorAll(".count-mark") ?? []) {
      if (visits.get(old.dataset.of) === Number(old.dataset.times)) continue;
      old.remove();
      this.#name(old.dataset.of);
    }
    for (const [id, times] of visits) {
      const part = this.parts.get(id);
      if (!part || times < 1 || part.querySelector(":scope > .count-mark")) continue;
      part.append(counter(part.getBBox(), id, times));
      this.#name(id);
    }
  }

  /** The picture's id of the arrow that shows a transition, or null where it is inside something closed. */
  arrowOf(transition) {
    return this.picture?.edges.find((edge) => edge.stands_for.includes(transition))?.id ?? null;
  }

  /** The id of the node or cluster in which a node is to be seen: itself, or what is closed around it. */
  seenAs(id) {
    for (let place = id; place; place = place.includes("/") ? place.slice(0, place.lastIndexOf("/")) : "") {
      if (this.parts.has(place)) return place;
    }
    return null;
  }

  /** Bring a part into view. */
  reveal(id) {
    this.parts.get(id)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  #name(id) {
    const part = this.parts.get(id);
    part?.setAttribute("aria-label", named(this.names.get(id), part));
  }

  #part(part, kind, name) {
    const element = this.svg.querySelector(`#${CSS.escape(part.dom)}`);
    if (!element) return;
    this.parts.set(part.id, element);
    element.classList.add(`${kind}-part`);
    element.setAttribute("role", "button");
    element.setAttribute("tabindex", "-1");
    this.names.set(part.id, name);
    this.#name(part.id);
    const chosen = (event) => {
      event.stopPropagation();
      if (event.type === "dblclick" || event.altKey) this.toggle?.(part.id, kind);
      else this.select(part.id, kind);
    };
    element.addEventListener("click", chosen);
    if (kind === "cluster" || part.inside) element.addEventListener("dblclick", chosen);
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        chosen(event);
      }
    });
  }
}

const SVG = "http://www.w3.org/2000/svg";

/** How often, on a small plate at the corner of a node. */
function counter(box, id, times) {
  const text = `×${times}`;
  const width = 9 + 6.5 * text.length;
  const group = document.createElementNS(SVG, "g");
  group.setAttribute("class", "count-mark");
  group.setAttribute("aria-hidden", "true");
  group.dataset.of = id;
  group.dataset.times = times;
  group.setAttribute("transform", `translate(${box.x + box.width - Math.min(width - 6, 14)} ${box.y - 9})`);
  const plate = document.createElementNS(SVG, "rect");
  for (const [name, value] of Object.entries({ width, height: 15, rx: 7.5 })) plate.setAttribute(name, value);
  const words = document.createElementNS(SVG, "text");
  for (const [name, value] of Object.entries({ x: width / 2, y: 11, "text-anchor": "middle" })) words.setAttribute(name, value);
  words.textContent = text;
  group.append(plate, words);
  return group;
}

/** A part's name: it holds what is to be seen of the part, so that who speaks to the machine can say what he sees. */
function named(name, element) {
  const seen = [...element.querySelectorAll("text")]
    .map((text) => text.textContent.trim())
    .filter(Boolean)
    .join(" ");
  return name.includes(seen) ? name : `${name.split(": ")[0]}. ${seen}`;
}

function edgeName(edge) {
  const on = edge.on === "reply" || edge.on === "flow" ? "" : ` on ${edge.on}`;
  const guard = edge.guard ? `, when ${edge.guard}` : "";
  return `${edge.source} to ${edge.target}${on}${edge.label ? `, ${edge.label}` : ""}${guard}`;
}
