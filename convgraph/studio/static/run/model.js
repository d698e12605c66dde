// A run as the page knows it: its rows, the turn that goes on, and which step is looked at. Whoever shows it is told what has changed.

import { get, path } from "../api.js";

const KEPT = 300; // steps in full that are kept: enough for what is in sight, and no more however much is scrubbed through

/**
 * `tell(what)` is called with a set of what has changed: "run", "rows", "speaking", "step" (another is looked at), "detail" (it is
 * here in full), "connection", "gone".
 */
export class RunModel {
  constructor(id, tell) {
    this.id = id;
    this.run = null;
    this.rows = [];
    this.speaking = new Map();
    this.doing = new Map();
    this.inner = [];
    this.selected = 0;
    this.follow = true;
    this.connection = "waiting";
    this.divergence = null;
    this.renewed = new Set();
    this.details = new Map();
    this.asked = new Map();
    this.seq = 0;
    this.#tell = tell;
  }

  #tell;
  #source = null;
  #retry = 0;
  #news = new Set();
  #flush = 0;
  #closed = false;

  /** Begin to listen; it goes on by itself when the studio was away. */
  connect() {
    this.#source?.close();
    const source = new EventSource(path("api", "runs", this.id, "events", { after: this.seq }));
    this.#source = source;
    const on = (name, work) =>
      source.addEventListener(name, (event) => {
        if (event.lastEventId) this.seq = Math.max(this.seq, Number(event.lastEventId));
        work(JSON.parse(event.data));
      });
    source.onopen = () => {
      this.speaking.clear();
      this.#connected("live");
    };
    source.onerror = () => {
      this.#connected("lost");
      if (source.readyState !== EventSource.CLOSED) return;
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.connect(), 1500);
    };
    on("step", (row) => this.#rows([row]));
    on("steps", (rows) => this.#rows(rows));
    on("effect", (effect) => {
      this.doing.set(`${effect.path} ${effect.kind} ${effect.name} ${effect.ordinal}`, effect);
      this.changed("speaking");
    });
    on("inner", (row) => {
      this.inner.push(row);
      this.speaking.delete(row.path);
      this.changed("speaking");
    });
    on("delta", ({ path: where, node, text }) => {
      const before = this.speaking.get(where)?.text ?? "";
      this.speaking.set(where, { node, text: before + text });
      this.changed("speaking");
    });
    on("run", (run) => {
      this.run = run;
      if (run.status !== "running") this.speaking.clear();
      this.changed("run");
    });
    on("gone", () => {
      this.close();
      this.changed("gone");
    });
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }

  get total() {
    return this.rows.length;
  }

  /** The row of a step; undefined for 0, the beginning. */
  row(step) {
    return this.rows[step - 1];
  }

  /** Whether the run goes on, wherever. */
  get goesOn() {
    return this.run?.status === "running";
  }

  /** Look at a step. Whoever looks at the last one of a run follows it. */
  select(step, follow = false) {
    const chosen = Math.min(Math.max(0, Math.round(step)), this.total);
    if (chosen === this.selected && follow === this.follow) return;
    this.selected = chosen;
    this.follow = follow;
    this.changed("step");
  }

  /** A step in full, if it is here; otherwise it is asked for, and "detail" is told when it is. */
  detail(step) {
    const known = this.details.get(step);
    if (known) {
      this.details.delete(step);
      this.details.set(step, known);
      return known;
    }
    this.#ask(step);
    return null;
  }

  changed(what) {
    this.#news.add(what);
    if (this.#flush) return;
    const work = () => {
      this.#flush = 0;
      const news = this.#news;
      this.#news = new Set();
      if (!this.#closed || news.has("gone")) this.#tell(news);
    };
    // A page that is not in sight has no frames, and is to be right when it comes into sight.
    this.#flush = document.hidden ? setTimeout(work, 100) : requestAnimationFrame(work);
  }

  #connected(how) {
    if (this.connection === how) return;
    this.connection = how;
    this.changed("connection");
  }

  #rows(rows) {
    for (const row of rows) {
      this.rows[row.step - 1] = row;
      this.details.delete(row.step);
      this.renewed.add(row.step);
    }
    const last = rows.at(-1).step;
    for (const place of this.speaking.keys()) if (turnOf(place) <= last) this.speaking.delete(place);
    for (const place of this.doing.keys()) if (turnOf(place) <= last) this.doing.delete(place);
    this.inner = this.inner.filter((row) => row.step > last);
    if (this.follow) {
      this.selected = this.total;
      this.changed("step");
    }
    this.changed("rows");
  }

  #ask(step) {
    if (this.asked.has(step) || step > this.total) return;
    const row = this.row(step);
    const asking = get(path("api", "runs", this.id, "steps", String(step)))
      .then((detail) => {
        if (row === this.row(step)) this.details.set(step, detail); // otherwise it has changed meanwhile, and is asked for again
        while (this.details.size > KEPT) this.details.delete(this.details.keys().next().value);
        this.changed("detail");
      })
      .catch(() => {}) // the connection's own state says that the studio is away
      .finally(() => this.asked.delete(step));
    this.asked.set(step, asking);
  }
}

const turnOf = (place) => parseInt(place, 10) || 0;
