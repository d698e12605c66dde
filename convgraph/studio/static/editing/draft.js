// A draft: one graph as a text and as a document. A change of either is a change of both, which the server makes: so that comments stay
// where somebody wrote them. Answers that come too late are dropped, and the last good picture stays.

import { post } from "../api.js";
import { settled } from "../dom.js";

const MOST_STEPS = 200;
const ONE_EDIT = 900;

export class Draft {
  document = null;
  problems = [];
  findings = [];
  picture = null;
  canonical = "";
  schema = null;
  ok = false;
  collapse = [];
  base = null;
  failed = "";
  #turn = 0;
  #answered = 0;
  #past = [];
  #future = [];
  #last = { key: null, at: 0 };
  #waiting = [];
  #fromForm = false;

  /** `changed(draft)` is called after each change and each answer. */
  constructor(yaml, changed) {
    this.yaml = yaml;
    this.saved = yaml;
    this.changed = changed;
    this.soon = settled(() => this.check(), 250);
  }

  get dirty() {
    return this.yaml !== this.saved || this.#fromForm;
  }

  get checking() {
    return this.#answered < this.#turn;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /** Change the document: `work(document)` changes a copy of it. Edits of one `key` shortly after another are one step to undo. */
  edit(work, key = null) {
    if (!this.document) return;
    const document = structuredClone(this.document);
    work(document);
    if (JSON.stringify(document) === JSON.stringify(this.document)) return;
    this.#remember(key);
    this.document = document;
    this.#fromForm = true;
    this.#begin();
  }

  /** Change the text. */
  type(yaml) {
    if (yaml === this.yaml) return;
    this.#remember("text");
    this.yaml = yaml;
    this.#fromForm = false;
    this.#begin();
  }

  undo() {
    this.#step(this.#past, this.#future);
  }

  redo() {
    this.#step(this.#future, this.#past);
  }

  /** When everything that was changed is in the text, and has been looked at. */
  async settle() {
    if (!this.checking) return;
    await new Promise((done) => {
      this.#waiting.push(done);
      this.check();
    });
  }

  /** Ask what is to be said of the draft as it stands. */
  async check() {
    const turn = Math.max(this.#turn, 1);
    this.#turn = turn;
    try {
      const answer = await post("/api/drafts/check", {
        yaml: this.yaml,
        document: this.#fromForm ? this.document : null,
        collapse: this.collapse,
      });
      if (turn !== this.#turn || this.#answered >= turn) return;
      this.#take(answer);
      this.failed = "";
    } catch (error) {
      if (turn !== this.#turn) return;
      this.failed = error.message;
    }
    this.#answered = turn;
    this.changed(this);
    for (const done of this.#waiting.splice(0)) done();
  }

  /** Ask at once, for another reason than a change. */
  again() {
    this.#turn += 1;
    return this.check();
  }

  #take(answer) {
    this.yaml = answer.yaml;
    this.#fromForm = false;
    this.document = answer.document;
    this.problems = answer.problems;
    this.ok = answer.ok;
    if (!answer.picture) return;
    this.findings = answer.findings;
    this.picture = answer.picture;
    this.canonical = answer.canonical;
    this.schema = answer.state_schema;
  }

  #begin() {
    this.#turn += 1;
    this.changed(this);
    this.soon();
  }

  #remember(key) {
    const now = Date.now();
    const same = key !== null && key === this.#last.key && now - this.#last.at < ONE_EDIT;
    this.#last = { key, at: now };
    this.#future.length = 0;
    if (same) return;
    this.#past.push(this.#snapshot());
    if (this.#past.length > MOST_STEPS) this.#past.shift();
  }

  #snapshot() {
    return { yaml: this.yaml, document: this.document, fromForm: this.#fromForm };
  }

  #step(from, to) {
    const snapshot = from.pop();
    if (!snapshot) return;
    to.push(this.#snapshot());
    this.yaml = snapshot.yaml;
    this.document = snapshot.document;
    this.#fromForm = snapshot.fromForm;
    this.#last = { key: null, at: 0 };
    this.#begin();
  }
}
