/**
 * One turn of the conversation as elements: what was asked, or a reply while it comes and after.
 */

import { element } from "./dom.js";
import { count, counted, duration, figure } from "./format.js";
import { TokenView } from "./token_view.js";

const ENDS = {
  stop: "",
  length: "cut at its longest",
  tool_calls: "waits for a tool",
  content_filter: "filtered",
};

/** @param {string} name who speaks @param {string} text */
export function saidView(name, text) {
  return element("li", { class: "turn said" },
    element("h2", { class: "who" }, name),
    element("p", { class: "text" }, text));
}

export class ReplyView {
  #thoughts = element("p", { class: "text" });
  #folded = element("details", { class: "thoughts", hidden: true }, element("summary", {}, "Thoughts"), this.#thoughts);
  #text = element("p", { class: "text" });
  #calls = element("div", { class: "calls" });
  #error = element("p", { class: "error", role: "alert", hidden: true });
  #numbers = element("p", { class: "numbers" });
  #tokens = null;
  #actions = element("p", { class: "turn-actions", hidden: true });
  node;

  /**
   * @param {string} name of the model
   * @param {{onRegenerate: () => void, onResults: (messages: object[]) => void}} listener
   */
  constructor(name, listener) {
    this.#listener = listener;
    this.node = element("li", { class: "turn reply is-open" },
      element("h2", { class: "who" }, name),
      this.#folded, this.#text, this.#calls, this.#error,
      element("div", { class: "turn-foot" }, this.#numbers, this.#actions));
  }

  #listener;

  /** @param {import("./reply.js").Reply} reply with more in it than the last time */
  update(reply) {
    this.node.classList.toggle("is-open", !reply.isDone);
    setText(this.#text, reply.text);
    setText(this.#thoughts, reply.thoughts);
    this.#folded.hidden = reply.thoughts === "";
    if (reply.tokens.length > 0) this.#showTokens(reply.tokens);
    this.#showCalls(reply);
    this.#numbers.textContent = numbersOf(reply);
    this.#error.hidden = reply.error === null;
    this.#error.textContent = reply.error ?? "";
    if (reply.isDone && this.#actions.hidden) this.#offerActions(reply);
  }

  /** Another turn has come after it. */
  settle() {
    this.#calls.querySelector("form")?.remove();
  }

  #showTokens(tokens) {
    if (this.#tokens === null) {
      this.#tokens = new TokenView();
      this.#text.after(this.#tokens.node);
      this.#text.hidden = true;
    }
    this.#tokens.update(tokens);
  }

  #showCalls(reply) {
    while (this.#calls.children.length < reply.calls.length) {
      this.#calls.append(element("div", { class: "call" }, element("h3", {}), element("pre", {})));
    }
    for (const [index, call] of reply.calls.entries()) {
      const [name, pre] = this.#calls.children[index].children;
      setText(name, call.name);
      setText(pre, reply.isDone ? pretty(call.arguments) : call.arguments);
    }
  }

  #offerActions(reply) {
    this.#actions.hidden = false;
    const copy = action("Copy", async () => {
      await copyText(reply.text || JSON.stringify(reply.calls));
      copy.textContent = "Copied";
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    });
    this.#actions.append(copy, action("Regenerate", () => this.#listener.onRegenerate()));
    if (this.#tokens !== null) this.#actions.append(this.#tokenSwitch());
    if (reply.calls.length > 0) this.#calls.append(resultsForm(reply.calls, this.#listener.onResults));
  }

  #tokenSwitch() {
    const button = action("Show as text", () => {
      this.#text.hidden = !this.#text.hidden;
      this.#tokens.node.hidden = !this.#text.hidden;
      button.textContent = this.#text.hidden ? "Show as text" : "Show tokens";
    });
    return button;
  }
}

/** Over plain HTTP from another machine there is no clipboard to write to, only this. */
async function copyText(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = element("textarea", { class: "unseen" }, text);
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

function action(name, onClick) {
  return element("button", { type: "button", class: "link", click: onClick }, name);
}

/** Where somebody plays the tools: what each call gives back goes to the model as a message. */
function resultsForm(calls, onResults) {
  const inputs = calls.map(({ name }) => element("input", {
    type: "text", "aria-label": `What ${name} gives back`, placeholder: `What ${name} gives back`,
  }));
  const onSubmit = (event) => {
    event.preventDefault();
    onResults(calls.map(({ id }, index) => ({ role: "tool", tool_call_id: id, content: inputs[index].value })));
  };
  return element("form", { class: "results", submit: onSubmit },
    element("div", {}, ...inputs),
    element("button", { type: "submit", class: "quiet" }, "Go on"));
}

/** Appends where it can, so that a long reply is not laid out anew for each token. */
function setText(node, text) {
  const shown = node.firstChild;
  if (shown === null) node.append(text);
  else if (text.startsWith(shown.data)) shown.appendData(text.slice(shown.data.length));
  else shown.data = text;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function numbersOf(reply) {
  const { usage, firstTokenS, tokensPerS } = reply;
  if (usage === null && !reply.isDone) return "Waiting for the first token";
  const cached = usage?.prompt_tokens_details?.cached_tokens;
  return [
    usage && counted(usage.completion_tokens, "token"),
    tokensPerS && `${figure(tokensPerS)} tokens/s`,
    firstTokenS !== null && `first after ${duration(firstTokenS)}`,
    usage && `prompt ${count(usage.prompt_tokens)}${cached ? ` (${count(cached)} cached)` : ""}`,
    reply.isDone && (ENDS[reply.finishReason] ?? (reply.error ? "" : "stopped")),
    reply.ignored.length > 0 && `ignored: ${reply.ignored.join(", ")}`,
  ].filter(Boolean).join(" · ");
}
