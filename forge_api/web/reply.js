/**
 * One reply while it comes: chunks of a stream in, text, thoughts, calls, tokens and times out.
 */

const LEAST_MS = 50;

/** @typedef {{token: string, logprob: number, top_logprobs: {token: string, logprob: number}[]}} Token */

export class Reply {
  text = "";
  thoughts = "";
  /** @type {{id: string, name: string, arguments: string}[]} */
  calls = [];
  /** @type {Token[]} empty unless logprobs were asked for */
  tokens = [];
  /** @type {string | null} */
  finishReason = null;
  /** @type {string | null} what ended it before its time */
  error = null;
  isDone = false;
  usage = null;
  ignored = [];
  #startedAt;
  #firstAt = null;
  #numFirst = 0;
  #lastAt = null;
  #now;

  /** @param {() => number} now in milliseconds */
  constructor(now = () => performance.now()) {
    this.#now = now;
    this.#startedAt = now();
  }

  /** @param {object} chunk */
  take(chunk) {
    if (chunk.usage) this.usage = chunk.usage;
    if (chunk.forge?.ignored) this.ignored = chunk.forge.ignored;
    for (const choice of chunk.choices) this.#takeChoice(choice);
  }

  /** Nothing more comes. */
  end(error = null) {
    this.isDone = true;
    this.error = error;
  }

  /** Seconds from asking to the first token; null before it. */
  get firstTokenS() {
    return this.#firstAt === null ? null : (this.#firstAt - this.#startedAt) / 1000;
  }

  /** Of those after the first ones; null while the time is too short to tell. */
  get tokensPerS() {
    const numLater = (this.usage?.completion_tokens ?? 0) - this.#numFirst;
    const elapsedMs = this.#lastAt - this.#firstAt;
    return numLater > 0 && elapsedMs >= LEAST_MS ? (numLater * 1000) / elapsedMs : null;
  }

  /** As it stands in the messages of the next request. */
  get message() {
    const message = { role: "assistant", content: this.text };
    if (this.calls.length === 0) return message;
    const calls = this.calls.map(({ id, name, arguments: text }) => ({
      id, type: "function", function: { name, arguments: text },
    }));
    return { ...message, content: this.text || null, tool_calls: calls };
  }

  #takeChoice({ delta, logprobs, finish_reason }) {
    const isNews = delta.content || delta.reasoning_content || delta.tool_calls || logprobs?.content?.length;
    if (isNews) this.#note();
    this.text += delta.content ?? "";
    this.thoughts += delta.reasoning_content ?? "";
    for (const call of delta.tool_calls ?? []) this.#takeCall(call);
    this.tokens.push(...(logprobs?.content ?? []));
    this.finishReason = finish_reason ?? this.finishReason;
  }

  #note() {
    this.#lastAt = this.#now();
    if (this.#firstAt !== null) return;
    this.#firstAt = this.#lastAt;
    this.#numFirst = this.usage?.completion_tokens ?? 1;
  }

  #takeCall({ index, id, function: called }) {
    this.calls[index] ??= { id: id ?? "", name: "", arguments: "" };
    this.calls[index].name += called.name ?? "";
    this.calls[index].arguments += called.arguments ?? "";
  }
}
