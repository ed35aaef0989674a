/**
 * The playground: a conversation with the model, one reply at a time.
 */

import { chatRequest } from "./chat_request.js";
import { byId, element } from "./dom.js";
import { FieldError, fit, ParameterFields } from "./fields.js";
import { Reply } from "./reply.js";
import { ReplyView, saidView } from "./turn_view.js";

const SUGGESTIONS = ["What is Forge?", "Tell me a short story about a robot.", "What is 17 + 25?"];
const WIDE = "(min-width: 60rem)";
const NEAR_END_PX = 120;

/** @typedef {{message: object, node: HTMLElement, view: ReplyView | null}} Turn */

export class Playground {
  /** @param {import("./server.js").Server} server @param {(error: Error) => void} onError */
  constructor(server, onError) {
    this.#server = server;
    this.#onError = onError;
    this.#listen();
    this.#suggest();
    const wide = matchMedia(WIDE);
    byId("parameters").open = wide.matches;
    wide.addEventListener("change", () => { byId("parameters").open = wide.matches; });
  }

  #server;
  #onError;
  #fields = new ParameterFields();
  #prompt = byId("prompt");
  #modelName = "Model";
  /** @type {Turn[]} */
  #turns = [];
  /** @type {AbortController | null} while a reply comes */
  #running = null;
  /** @type {number | null} the frame that is to show what came */
  #frame = null;

  set modelName(name) {
    this.#modelName = name;
    byId("model-name").textContent = name;
  }

  #listen() {
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#prompt.addEventListener("keydown", (event) => this.#onKey(event));
    this.#prompt.addEventListener("input", () => fit(this.#prompt));
    byId("stop").addEventListener("click", () => this.#stop());
    byId("clear").addEventListener("click", () => this.#clear());
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) this.#stop();
    });
  }

  #suggest() {
    for (const text of SUGGESTIONS) {
      const onClick = () => this.#ask({ role: "user", content: text });
      byId("suggestions").append(element("li", {}, element("button", { type: "button", class: "quiet", click: onClick }, text)));
    }
  }

  #onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#send();
  }

  #send() {
    const text = this.#prompt.value;
    if (!text.trim() || this.#running) return;
    if (!this.#ask({ role: "user", content: text })) return;
    this.#prompt.value = "";
    fit(this.#prompt);
  }

  /** @returns {boolean} false where a field holds what cannot be sent */
  #ask(...messages) {
    if (this.#running || this.#readFields() === null) return false;
    this.#turns.at(-1)?.view?.settle();
    for (const message of messages) {
      const name = message.role === "tool" ? "Tool" : "You";
      this.#add({ message, node: saidView(name, message.content), view: null });
    }
    this.#reply();
    return true;
  }

  #readFields() {
    this.#fields.clearErrors();
    try {
      return this.#fields.read();
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      this.#fields.showError(error.param, error.message);
      return null;
    }
  }

  async #reply() {
    const fields = this.#readFields();
    if (fields === null) return;
    const body = chatRequest(fields, this.#turns.map((turn) => turn.message));
    const reply = new Reply();
    const turn = this.#openTurn(reply);
    this.#run(true);
    try {
      for await (const chunk of this.#server.chat(body, this.#running.signal)) {
        reply.take(chunk);
        this.#show(turn, reply);
      }
      reply.end();
    } catch (error) {
      this.#fail(turn, reply, error);
    }
    this.#run(false);
    turn.message = reply.message;
    this.#update(turn, reply);
    this.#announce(reply.error ?? reply.text);
  }

  #openTurn(reply) {
    const view = new ReplyView(this.#modelName, {
      onRegenerate: () => this.#regenerate(turn),
      onResults: (messages) => this.#ask(...messages),
    });
    const turn = { message: reply.message, node: view.node, view };
    this.#add(turn);
    view.update(reply);
    return turn;
  }

  #fail(turn, reply, error) {
    if (error.name === "AbortError") {
      reply.end();
      return;
    }
    reply.end(error.message);
    this.#onError(error);
    if (reply.text || reply.tokens.length > 0 || !this.#fields.showError(error.param, error.message)) return;
    this.#takeBack(turn);
  }

  /** A request that was refused over a field: the question is back where it was typed. */
  #takeBack(turn) {
    this.#cut(this.#turns.indexOf(turn));
    const asked = this.#turns.at(-1);
    if (asked?.message.role !== "user") return;
    this.#cut(this.#turns.length - 1);
    this.#prompt.value = asked.message.content;
    fit(this.#prompt);
  }

  #regenerate(turn) {
    if (this.#running || this.#readFields() === null) return;
    this.#cut(this.#turns.indexOf(turn));
    this.#reply();
  }

  #stop() {
    this.#running?.abort();
  }

  #clear() {
    this.#stop();
    this.#cut(0);
    this.#prompt.focus();
  }

  #add(turn) {
    this.#turns.push(turn);
    byId("turns").append(turn.node);
    this.#showWelcome();
    turn.node.scrollIntoView({ block: "end" });
  }

  /** Forget all turns from this one on. */
  #cut(index) {
    for (const turn of this.#turns.splice(index)) turn.node.remove();
    this.#showWelcome();
  }

  #showWelcome() {
    byId("welcome").hidden = this.#turns.length > 0;
    byId("clear").hidden = this.#turns.length === 0;
  }

  #run(isRunning) {
    this.#running = isRunning ? new AbortController() : null;
    const hadFocus = document.activeElement === byId(isRunning ? "send" : "stop");
    byId("send").hidden = isRunning;
    byId("stop").hidden = !isRunning;
    if (hadFocus) byId(isRunning ? "stop" : "send").focus();
    if (isRunning) this.#announce("The model answers");
  }

  /** Once a frame: tokens may come faster. */
  #show(turn, reply) {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      this.#update(turn, reply);
    });
  }

  /** Keeps the end in sight for whoever is there already. */
  #update(turn, reply) {
    const page = document.scrollingElement;
    const isNearEnd = page.scrollHeight - page.scrollTop - page.clientHeight < NEAR_END_PX;
    turn.view.update(reply);
    if (isNearEnd) page.scrollTop = page.scrollHeight;
  }

  /** Said once as a whole: read token by token, nobody could listen to it. */
  #announce(text) {
    byId("announcer").textContent = text;
  }
}
