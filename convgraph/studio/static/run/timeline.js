// The timeline: who spoke when, a lane for each node, and a head that is dragged, moved by keys, or plays.

import { h, perFrame } from "../dom.js";
import { hue, palette } from "./colours.js";

const SPEEDS = [
  [0.5, "½×"],
  [1, "1×"],
  [2, "2×"],
  [5, "5×"],
  [20, "20×"],
  [100, "100×"],
];
const PAUSE = 900; // milliseconds a step, at speed 1
const LANES = 8;

/** A timeline of a RunModel; `select(step, follow)` is told where its head was put. */
export class Timeline {
  constructor(model, select) {
    this.model = model;
    this.select = select;
    this.lanes = [];
    this.speed = 1;
    this.playing = 0;
    this.#build();
    this.draw = perFrame(() => this.#draw());
    this.room = new ResizeObserver(() => this.draw());
    this.room.observe(this.track);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", this.draw);
  }

  close() {
    this.pause();
    this.room.disconnect();
    this.scheme.removeEventListener("change", this.draw);
  }

  /** Who has a lane: the graph's nodes in order, as many as there is room for. */
  setLanes(nodes) {
    this.lanes = nodes.slice(0, LANES);
    this.names.replaceChildren(...this.lanes.map((node) => h("span", { class: `who-${hue(node)}` }, node)));
    this.draw();
  }

  /** Show where the run is looked at, and how far it has come. */
  update() {
    const { model } = this;
    const row = model.row(model.selected);
    const here = row
      ? `step ${model.selected} of ${model.total}, ${row.node}: ${row.text.slice(0, 80)}`
      : `the beginning, of ${model.total} steps`;
    this.track.setAttribute("aria-valuemax", String(model.total));
    this.track.setAttribute("aria-valuenow", String(model.selected));
    this.track.setAttribute("aria-valuetext", here);
    this.label.textContent = `${model.selected.toLocaleString("en")} / ${model.total.toLocaleString("en")}`;
    this.followButton.setAttribute("aria-pressed", String(model.follow));
    this.previous.disabled = this.first.disabled = model.selected === 0;
    this.next.disabled = this.latest.disabled = model.selected >= model.total;
    this.head.style.left = `${this.#part(model.selected) * 100}%`;
    this.draw();
  }

  /** What the keys do, wherever they are pressed that is not a field. Says whether it was one of them. */
  key(event) {
    const { model } = this;
    const page = Math.max(10, Math.round(model.total / 20));
    const moves = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: -page, PageDown: page };
    if (event.altKey || event.ctrlKey || event.metaKey) return false;
    if (event.key in moves) this.#go(model.selected + moves[event.key]);
    else if (event.key === "Home") this.#go(0);
    else if (event.key === "End") this.#go(model.total);
    else if (event.key === " ") this.toggle();
    else return false;
    event.preventDefault();
    return true;
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  play() {
    if (this.model.selected >= this.model.total) this.#go(0, true);
    let due = performance.now();
    const tick = (now) => {
      const steps = Math.floor((now - due) / (PAUSE / this.speed));
      if (steps > 0) {
        due += steps * (PAUSE / this.speed);
        const to = Math.min(this.model.total, this.model.selected + steps);
        this.select(to, false);
        if (to >= this.model.total && !this.model.goesOn) return this.pause();
      }
      this.playing = requestAnimationFrame(tick);
    };
    this.playing = requestAnimationFrame(tick);
    this.#playing();
  }

  pause() {
    cancelAnimationFrame(this.playing);
    this.playing = 0;
    this.#playing();
  }

  #playing() {
    this.playButton.textContent = this.playing ? "❚❚" : "▶";
    this.playButton.setAttribute("aria-label", this.playing ? "Pause" : "Play");
  }

  #go(step, keepPlaying = false) {
    if (!keepPlaying) this.pause();
    const to = Math.min(Math.max(0, step), this.model.total);
    this.select(to, to === this.model.total && this.model.run.status !== "finished");
  }

  #part(step) {
    return this.model.total ? step / this.model.total : 0;
  }

  #build() {
    const button = (text, label, work) => h("button", { class: "plain", "aria-label": label, title: label, onclick: work }, text);
    this.first = button("«", "To the beginning (Home)", () => this.#go(0));
    this.previous = button("‹", "One step back (←)", () => this.#go(this.model.selected - 1));
    this.playButton = button("▶", "Play", () => this.toggle());
    this.next = button("›", "One step on (→)", () => this.#go(this.model.selected + 1));
    this.latest = button("»", "To the latest step (End)", () => this.#go(this.model.total));
    this.next.classList.add("thin");
    this.previous.classList.add("thin");
    this.playButton.classList.add("play");
    this.label = h("output", { class: "num steps", "aria-hidden": "true" });
    this.followButton = h(
      "button",
      {
        class: "follow",
        "aria-pressed": "false",
        title: "Stay at the latest step",
        onclick: () => {
          this.pause();
          this.select(this.model.total, !this.model.follow);
        },
      },
      "Follow",
    );
    const speeds = h(
      "select",
      { "aria-label": "Speed of playing", onchange: (event) => (this.speed = Number(event.target.value)) },
      SPEEDS.map(([value, text]) => h("option", { value, selected: value === 1 }, text)),
    );
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.head = h("div", { class: "head", "aria-hidden": "true" });
    this.tip = h("div", { class: "tip", "aria-hidden": "true", hidden: true });
    this.names = h("div", { class: "lane-names", "aria-hidden": "true" });
    this.track = h(
      "div",
      { class: "track", role: "slider", tabindex: 0, "aria-label": "Step", "aria-valuemin": 0, "aria-orientation": "horizontal" },
      this.canvas,
      this.head,
      this.tip,
    );
    this.track.addEventListener("keydown", (event) => this.key(event) && event.stopPropagation());
    const at = (event) => {
      const room = this.track.getBoundingClientRect();
      return Math.round(Math.min(1, Math.max(0, (event.clientX - room.left) / room.width)) * this.model.total);
    };
    this.track.addEventListener("pointerdown", (event) => {
      this.track.setPointerCapture(event.pointerId);
      this.#go(at(event));
    });
    this.track.addEventListener("pointermove", (event) => {
      if (this.track.hasPointerCapture(event.pointerId)) this.#go(at(event));
      this.#hint(at(event), event);
    });
    this.track.addEventListener("pointerleave", () => (this.tip.hidden = true));
    this.element = h(
      "section",
      { class: "timeline", "aria-label": "Timeline" },
      h(
        "div",
        { class: "controls" },
        this.first,
        this.previous,
        this.playButton,
        this.next,
        this.latest,
        this.label,
        speeds,
        this.followButton,
      ),
      h("div", { class: "lanes" }, this.names, this.track),
    );
  }

  #hint(step, event) {
    const row = this.model.row(step);
    this.tip.hidden = false;
    this.tip.textContent = row ? `${step} ${row.node}` : "the beginning";
    const room = this.track.getBoundingClientRect();
    this.tip.style.left = `${Math.min(room.width - 60, Math.max(60, event.clientX - room.left))}px`;
  }

  #draw() {
    const { canvas, model, lanes } = this;
    const width = this.track.clientWidth;
    const height = this.track.clientHeight;
    const scale = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const paint = canvas.getContext("2d");
    paint.setTransform(scale, 0, 0, scale, 0, 0);
    paint.clearRect(0, 0, width, height);
    if (!model.total || !lanes.length) return;
    const colours = palette();
    const bad = getComputedStyle(document.documentElement).getPropertyValue("--bad").trim();
    const lane = height / lanes.length;
    const of = new Map(lanes.map((node, index) => [node, index]));
    const step = width / model.total;
    const wide = Math.max(1, step - (step > 4 ? 1 : 0));
    let drawn = -1;
    // With more steps than pixels, one step stands for all that share its pixel in a lane.
    const seen = new Int32Array(lanes.length + 1).fill(-1);
    for (let number = 1; number <= model.total; number++) {
      const row = model.rows[number - 1];
      if (!row) continue;
      const index = of.get(row.node) ?? lanes.length - 1;
      const left = (number - 1) * step;
      if (step < 1 && seen[index] === Math.floor(left) && !row.error) continue;
      seen[index] = Math.floor(left);
      paint.globalAlpha = number <= model.selected ? 1 : 0.35;
      paint.fillStyle = row.error ? bad : colours[hue(row.node)];
      paint.fillRect(left, index * lane + 1, wide, Math.max(2, lane - 2));
      drawn = number;
    }
    paint.globalAlpha = 1;
    if (model.divergence && drawn > 0) {
      paint.fillStyle = bad;
      paint.fillRect((model.divergence.step - 1) * step, 0, 2, height);
    }
  }
}
