/**
 * The live status: asked for every second while somebody looks at it, and never else.
 */

import { BlockMap } from "./block_map.js";
import { byId, element } from "./dom.js";
import { count, counted, duration, figure, percent } from "./format.js";
import { History, ratio } from "./history.js";
import { Plot } from "./plot.js";
import { SequenceTable } from "./sequence_table.js";

const INTERVAL_MS = 1000;
const NONE = "–";
const SPAN_NAMES = { 60: "Last minute", 120: "Last two minutes", 300: "Last five minutes" };

export class StatusView {
  /**
   * @param {import("./server.js").Server} server
   * @param {{onHealth: (health: object) => void, onError: (error: Error) => void}} listener
   */
  constructor(server, listener) {
    this.#server = server;
    this.#listener = listener;
    byId("plots").append(...this.#plots.map((plot) => plot.node));
    document.addEventListener("visibilitychange", () => this.#wake());
  }

  #server;
  #listener;
  #history = new History();
  #blocks = new BlockMap();
  #sequences = new SequenceTable();
  #plots = makePlots();
  #isShown = false;
  /** @type {number | null} the timer of the next look; null while none is to come */
  #timer = null;
  #isAsking = false;

  set isShown(isShown) {
    this.#isShown = isShown;
    this.#wake();
  }

  #wake() {
    clearTimeout(this.#timer);
    if (this.#isShown && !document.hidden && !this.#isAsking) this.#look();
  }

  async #look() {
    this.#isAsking = true;
    try {
      this.#show(await this.#server.status());
    } catch (error) {
      this.#showLost(error);
    }
    this.#isAsking = false;
    if (this.#isShown && !document.hidden) this.#timer = setTimeout(() => this.#look(), INTERVAL_MS);
  }

  #show(status) {
    const nowS = performance.now() / 1000;
    const engine = status.health.engine;
    this.#listener.onHealth(status.health);
    this.#history.take(status, nowS);
    this.#say(status.health.status, status.health.reason ?? "Ready to serve");
    byId("tiles").replaceChildren(...tilesOf(status).map(tile));
    this.#plot(nowS);
    this.#blocks.update(status.block_map, engine);
    this.#sequences.update(status.sequences, engine);
  }

  #plot(endS) {
    const { samples, spanS } = this.#history;
    byId("plots-title").textContent = SPAN_NAMES[spanS];
    for (const plot of this.#plots) plot.update(samples, { startS: endS - spanS, endS });
  }

  #showLost(error) {
    this.#say("unavailable", error.message);
    this.#listener.onError(error);
  }

  /** Only what is new is put there, since it is read out. */
  #say(state, text) {
    const note = byId("status-note");
    note.dataset.state = state;
    if (note.textContent !== text) note.textContent = text;
  }
}

function makePlots() {
  return [
    new Plot("Output tokens a second", [{ name: "sampled", value: (sample) => sample.outputTokensPerS }], figure),
    new Plot("Prompt tokens a second", [
      { name: "computed", value: (sample) => sample.promptTokensPerS },
      { name: "from prefix cache", value: (sample) => sample.cachedTokensPerS },
    ], figure),
    new Plot("Step time", [{ name: "mean", value: (sample) => sample.stepMs }], (ms) => duration(ms / 1000)),
    new Plot("Sequences", [
      { name: "running", value: (sample) => sample.numRunning },
      { name: "waiting", value: (sample) => sample.numWaiting },
    ], figure),
    new Plot("KV blocks in use", [{ name: "share", value: (sample) => sample.usedShare }], percent),
    new Plot("Drafts accepted", [{ name: "share", value: (sample) => sample.acceptedShare }], percent),
  ];
}

function tilesOf({ health: { engine }, totals }) {
  const share = (part, whole) => {
    const value = totals === null ? null : ratio(totals[part], totals[whole]);
    return value === null ? NONE : percent(value);
  };
  const usedBlocks = engine && ratio(engine.num_blocks - engine.num_free_blocks, engine.num_blocks);
  return [
    ["Running", engine ? count(engine.num_running) : NONE],
    ["Waiting", engine ? count(engine.num_waiting) : NONE, engine?.oldest_waiting_age_s ? `oldest ${duration(engine.oldest_waiting_age_s)}` : ""],
    ["KV blocks in use", usedBlocks === null ? NONE : percent(usedBlocks)],
    ["Prefix hits", share("num_prefix_hits", "num_prefix_queries"), "of prompt tokens"],
    ["Drafts accepted", share("num_accepted_tokens", "num_draft_tokens"), totals ? `${count(totals.num_accepted_tokens)} tokens` : ""],
    ["Worker", engine ? engine.worker.state : NONE, engine ? ages(engine) : ""],
  ];
}

function ages({ worker, num_worker_restarts }) {
  const restarts = num_worker_restarts === 0 ? "no restarts" : counted(num_worker_restarts, "restart");
  return worker.uptime_s === null ? restarts : `up ${duration(Math.ceil(worker.uptime_s))}, ${restarts}`;
}

function tile([name, value, note = ""]) {
  return element("div", { class: "tile" },
    element("dt", {}, name),
    element("dd", { class: "value" }, value),
    element("dd", { class: "note" }, note));
}
