/** The sequences that run and wait, a row each. */

import { byId, element } from "./dom.js";
import { count, duration } from "./format.js";

export class SequenceTable {
  #rows = byId("sequences").querySelector("tbody");
  #note = byId("sequences-note");

  /** @param {object[]} sequences @param {object | null} engine */
  update(sequences, engine) {
    byId("sequences").hidden = sequences.length === 0;
    this.#note.textContent = engine === null ? "Not known" : noteOf(sequences.length, engine);
    this.#rows.replaceChildren(...sequences.map(row));
  }
}

function noteOf(numShown, engine) {
  const numAll = engine.num_running + engine.num_waiting;
  if (numShown === 0) return "None at the moment";
  return numAll > numShown ? `The first ${count(numShown)} of ${count(numAll)}` : "";
}

function row(sequence) {
  const numTokens = sequence.num_prompt_tokens + sequence.num_output_tokens;
  const choice = sequence.choice_index > 0 ? ` #${sequence.choice_index}` : "";
  return element("tr", {},
    element("th", { scope: "row", title: sequence.request_id }, shortened(sequence.request_id) + choice),
    element("td", {}, element("span", { class: `phase ${sequence.phase}` }, sequence.phase)),
    element("td", {}, progress(sequence, numTokens),
      `${count(sequence.num_prompt_tokens)} + ${count(sequence.num_output_tokens)}`,
      element("span", { class: "faint" }, ` of ${count(sequence.max_num_tokens)}`)),
    element("td", { class: "number extra" }, count(sequence.num_cached_tokens)),
    element("td", { class: "number extra" }, count(sequence.num_blocks)),
    element("td", { class: "number" }, duration(Math.max(sequence.age_s, 0))));
}

function progress({ num_prompt_tokens, max_num_tokens }, numTokens) {
  const bar = element("span", { class: "progress" }, element("i", { class: "prompt" }), element("i", { class: "output" }));
  const [prompt, output] = bar.children;
  prompt.style.inlineSize = `${(100 * num_prompt_tokens) / max_num_tokens}%`;
  output.style.inlineSize = `${(100 * (numTokens - num_prompt_tokens)) / max_num_tokens}%`;
  return bar;
}

/** The prefix of all ids of a route says less than the end of one. */
function shortened(id) {
  return id.length > 12 ? `…${id.slice(-10)}` : id;
}
