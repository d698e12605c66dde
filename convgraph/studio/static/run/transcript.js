// The transcript: of thousands of turns only those in sight are elements. Heights are guessed until they have been seen.

import { h, perFrame } from "../dom.js";
import { lastTurn, openingTurn, turn } from "./turn.js";

const GUESS = 92;
const AROUND = 600; // pixels above and below what is in sight that are ready

/**
 * Shows a RunModel's turns in `container`, which scrolls. `select(step)` is told which turn was chosen, `edge(id)` tells what a
 * transition is called, `left()` is told that somebody has scrolled away from the end.
 */
export class Transcript {
  constructor(container, model, { select, edge, left }) {
    this.container = container;
    this.model = model;
    this.select = select;
    this.edge = edge;
    this.node = null;
    this.heights = [];
    this.tops = [0];
    this.shown = new Map();
    this.wanted = null;
    this.window = h("div", { class: "window" });
    this.space = h("div", { class: "space" }, this.window);
    container.replaceChildren(this.space);
    this.draw = perFrame(() => this.#draw());
    this.seen = new ResizeObserver((entries) => this.#measured(entries));
    this.room = new ResizeObserver(() => this.draw());
    this.room.observe(container);
    this.placed = 0;
    container.addEventListener("scroll", () => this.#scrolled(left), { passive: true });
    this.window.addEventListener("click", (event) => {
      if (event.target.closest("a, button, summary, input, textarea, pre, form") || String(getSelection())) return;
      const step = event.target.closest(".speech")?.dataset.step;
      if (step !== undefined) select(Math.min(Number(step), model.total));
    });
  }

  /** Whatever scrolls (a wheel, a key, a screen reader), it is somebody's wish, unless it was this that did. */
  #scrolled(left) {
    const { scrollTop, clientHeight, scrollHeight } = this.container;
    const back = scrollTop < this.placed - 2;
    if (Math.abs(scrollTop - this.placed) > 2) {
      this.wanted = null;
      this.placed = scrollTop;
      if (back && scrollTop + clientHeight < scrollHeight - 4) left();
    }
    this.draw();
  }

  #scrollTo(top) {
    this.container.scrollTop = top;
    this.placed = this.container.scrollTop;
  }

  close() {
    this.seen.disconnect();
    this.room.disconnect();
  }

  /** How many items there are: the beginning, the turns, and the one that goes on or how it has ended. */
  get size() {
    return 2 + this.model.total;
  }

  /** Make these items anew (all, without a list): what they show has changed. */
  renew(steps = null) {
    for (const step of steps ?? [...this.shown.keys()]) {
      const old = this.shown.get(step);
      if (!old) continue;
      const fresh = this.#item(step);
      this.seen.unobserve(old);
      this.seen.observe(fresh);
      old.replaceWith(fresh);
      this.shown.set(step, fresh);
    }
    this.draw();
  }

  /** Bring a step into sight, and keep it there while what is around it takes its height. */
  reveal(step, end = false) {
    this.wanted = { step, end };
    this.draw();
  }

  /** Show which step is looked at, and whose turns are (null: everybody's). */
  mark(step, node = this.node) {
    this.node = node;
    for (const [number, element] of this.shown) this.#marked(element, number, step);
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
      number === 0 ? openingTurn(model.run.opening)
      : number <= model.total ? turn(model.row(number), model.row(number).more ? model.detail(number) : null, { edge: this.edge, divergence: model.divergence })
      : lastTurn(number, model.run, model.speaking, model.doing, model.inner);
    this.#marked(element, number);
    return element;
  }

  #layout() {
    const { heights, tops } = this;
    heights.length = Math.min(heights.length, this.size);
    let top = 0;
    for (let item = 0; item < this.size; item++) {
      tops[item] = top;
      top += heights[item] ?? GUESS;
    }
    tops[this.size] = top;
    tops.length = this.size + 1;
    return top;
  }

  #at(pixel) {
    let low = 0;
    let high = this.size - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.tops[middle] <= pixel) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #draw() {
    const whole = this.#layout();
    this.space.style.height = `${whole}px`;
    const room = this.container.clientHeight;
    if (this.wanted) this.#scrollTo(this.#place(room, whole));
    const top = this.container.scrollTop;
    const first = this.#at(Math.max(0, top - AROUND));
    const last = this.#at(top + room + AROUND);
    for (const [number, element] of this.shown) {
      if (number >= first && number <= last) continue;
      this.seen.unobserve(element);
      element.remove();
      this.shown.delete(number);
    }
    let before = null;
    for (let number = last; number >= first; number--) {
      let element = this.shown.get(number);
      if (!element) {
        element = this.#item(number);
        this.shown.set(number, element);
        this.window.insertBefore(element, before);
        this.seen.observe(element);
      } else if (element.nextSibling !== before) this.window.insertBefore(element, before);
      before = element;
    }
    this.window.style.transform = `translateY(${this.tops[first]}px)`;
  }

  #place(room, whole) {
    const { step, end } = this.wanted;
    if (end) return whole - room;
    const item = Math.min(step, this.size - 1);
    const height = this.heights[item] ?? GUESS;
    return Math.max(0, this.tops[item] - Math.max(16, (room - height) / 3));
  }

  #measured(entries) {
    let moved = 0;
    let changed = false;
    const top = this.container.scrollTop;
    for (const entry of entries) {
      const number = Number(entry.target.dataset.step);
      if (this.shown.get(number) !== entry.target) continue;
      const height = entry.borderBoxSize[0].blockSize;
      const before = this.heights[number] ?? GUESS;
      if (Math.abs(height - before) < 0.5) continue;
      if (this.tops[number] + before <= top) moved += height - before;
      this.heights[number] = height;
      changed = true;
    }
    if (!changed) return;
    if (moved && !this.wanted) this.#scrollTo(top + moved); // what is in sight stays where it is
    this.#draw();
  }
}
