// The transcript: the beginning of a run, its turns, and the one that goes on or how it has ended.

import { LongList } from "../long_list.js";
import { lastTurn, openingTurn, turn } from "./turn.js";

/**
 * Shows a RunModel's turns in `container`, which scrolls. `select(step)` is told which turn was chosen, `edge(id)` tells what a
 * transition is called, `left()` is told that somebody has scrolled away from the end.
 */
export class Transcript {
  constructor(container, model, { select, edge, left }) {
    this.model = model;
    this.edge = edge;
    this.node = null;
    this.list = new LongList(container, { size: () => 2 + model.total, make: (number) => this.#item(number), left });
    this.list.window.addEventListener("click", (event) => {
      if (event.target.closest("a, button, summary, input, textarea, pre, form") || String(getSelection())) return;
      const step = event.target.closest(".speech")?.dataset.step;
      if (step !== undefined) select(Math.min(Number(step), model.total));
    });
  }

  close() {
    this.list.close();
  }

  /** The turns that are elements at the moment, by step. */
  get shown() {
    return this.list.shown;
  }

  /** Make these turns anew (all, without a list): what they show has changed. */
  renew(steps = null) {
    this.list.renew(steps);
  }

  /** Bring a step into sight, and keep it there. */
  reveal(step, end = false) {
    this.list.reveal(step, end);
  }

  /** Show which step is looked at, and whose turns are (null: everybody's). */
  mark(step, node = this.node) {
    this.node = node;
    for (const [number, element] of this.list.shown) this.#marked(element, number, step);
  }

  #marked(element, number, step = this.model.selected) {
    element.classList.toggle("selected", number === step);
    if (number === step) element.setAttribute("aria-current", "step");
    else element.removeAttribute("aria-current");
    element.classList.toggle("other", this.node !== null && this.model.row(number)?.node !== this.node);
  }

  #item(number) {
    const { model } = this;
    const element =
      number === 0
        ? openingTurn(model.run.opening)
        : number <= model.total
          ? turn(model.row(number), model.row(number).more ? model.detail(number) : null, { edge: this.edge, divergence: model.divergence })
          : lastTurn(number, model.run, model.speaking, model.doing, model.inner);
    this.#marked(element, number);
    return element;
  }
}
