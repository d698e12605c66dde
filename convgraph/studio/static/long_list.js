// A list of thousands, of which only what is in sight are elements. Heights are guessed until they have been seen.

import { h, perFrame } from "./dom.js";

const GUESS = 92;
const AROUND = 600; // pixels above and below what is in sight that are ready

/**
 * Shows items in `container`, which scrolls. `size()` says how many there are, `make(number)` makes the element of one; `left()` is
 * told that somebody has scrolled away from the end.
 */
export class LongList {
  constructor(container, { size, make, left = () => {} }) {
    this.container = container;
    this.size = size;
    this.make = make;
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
  }

  close() {
    this.seen.disconnect();
    this.room.disconnect();
  }

  /** Make these items anew (all, without a list): what they show has changed. */
  renew(numbers = null) {
    for (const number of numbers ?? [...this.shown.keys()]) {
      const old = this.shown.get(number);
      if (!old) continue;
      const fresh = this.#made(number);
      this.seen.unobserve(old);
      this.seen.observe(fresh);
      old.replaceWith(fresh);
      this.shown.set(number, fresh);
    }
    this.draw();
  }

  /** Bring an item (or the end) into sight, and keep it there while what is around it takes its height. */
  reveal(number, end = false) {
    this.wanted = { number, end };
    this.draw();
  }

  #made(number) {
    const element = this.make(number);
    element.dataset.item = number;
    return element;
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

  #layout() {
    const { heights, tops } = this;
    const size = this.size();
    heights.length = Math.min(heights.length, size);
    let top = 0;
    for (let item = 0; item < size; item++) {
      tops[item] = top;
      top += heights[item] ?? GUESS;
    }
    tops[size] = top;
    tops.length = size + 1;
    return top;
  }

  #at(pixel) {
    let low = 0;
    let high = this.size() - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.tops[middle] <= pixel) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #draw() {
    if (!this.size()) return;
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
        element = this.#made(number);
        this.shown.set(number, element);
        this.window.insertBefore(element, before);
        this.seen.observe(element);
      } else if (element.nextSibling !== before) this.window.insertBefore(element, before);
      before = element;
    }
    this.window.style.transform = `translateY(${this.tops[first]}px)`;
  }

  #place(room, whole) {
    const { number, end } = this.wanted;
    if (end) return whole - room;
    const item = Math.min(number, this.size() - 1);
    const height = this.heights[item] ?? GUESS;
    return Math.max(0, this.tops[item] - Math.max(16, (room - height) / 3));
  }

  #measured(entries) {
    let moved = 0;
    let changed = false;
    const top = this.container.scrollTop;
    for (const entry of entries) {
      const number = Number(entry.target.dataset.item);
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
