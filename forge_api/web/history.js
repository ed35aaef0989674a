/**
 * The last minutes of a status that is asked for every second: totals become rates between two looks.
 */

const SPANS_S = [60, 120, 300];
const LONGEST_S = SPANS_S.at(-1);
const MAX_GAP_S = 5;

/**
 * @typedef {object} Sample what one look says of the time since the one before
 * @property {number} atS
 * @property {boolean} isGap nothing is known of the time before it
 * @property {number} outputTokensPerS
 * @property {number} promptTokensPerS those that were computed
 * @property {number} cachedTokensPerS those that the prefix cache had
 * @property {number | null} stepMs mean; null while there was none
 * @property {number | null} acceptedShare of drafts; null while there were none
 * @property {number} numRunning
 * @property {number} numWaiting
 * @property {number} usedShare of KV blocks
 */

export class History {
  /** @type {Sample[]} */
  samples = [];
  #last = null;

  /** How much of the past is worth showing: what there is, and not more than five minutes. */
  get spanS() {
    const ageS = this.samples.length === 0 ? 0 : this.samples.at(-1).atS - this.samples[0].atS;
    return SPANS_S.find((span) => span >= ageS) ?? LONGEST_S;
  }

  /** @param {object} status @param {number} atS */
  take(status, atS) {
    const { totals, health } = status;
    if (totals === null) {
      this.#last = null;
      return;
    }
    if (this.#last !== null && atS > this.#last.atS) this.samples.push(sample(this.#last, { atS, totals }, health.engine));
    this.#last = { atS, totals };
    while (this.samples.length > 0 && this.samples[0].atS < atS - LONGEST_S) this.samples.shift();
  }
}

function sample(before, now, engine) {
  const elapsedS = now.atS - before.atS;
  const grown = (name) => now.totals[name] - before.totals[name];
  const isGap = elapsedS > MAX_GAP_S || grown("num_steps") < 0; // less than before: another scheduler
  const cached = grown("num_cached_prompt_tokens");
  return {
    atS: now.atS,
    isGap,
    outputTokensPerS: grown("num_output_tokens") / elapsedS,
    promptTokensPerS: (grown("num_prompt_tokens") - cached) / elapsedS,
    cachedTokensPerS: cached / elapsedS,
    stepMs: ratio(grown("step_s") * 1000, grown("num_steps")),
    acceptedShare: ratio(grown("num_accepted_tokens"), grown("num_draft_tokens")),
    numRunning: engine.num_running,
    numWaiting: engine.num_waiting,
    usedShare: (engine.num_blocks - engine.num_free_blocks) / (engine.num_blocks || 1),
  };
}

/** @returns {number | null} null where there is nothing to divide by */
export function ratio(part, whole) {
  return whole > 0 ? part / whole : null;
}
