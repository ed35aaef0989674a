/**
 * A reply as its tokens: each one coloured by its probability, its alternatives beside it when it is
 * pointed at or has the focus. One tab stop; arrow keys go from token to token.
 */

import { element } from "./dom.js";
import { percent } from "./format.js";

/** Least probability of each colour; what is below them all is the last one. */
const LEVELS = [0.9, 0.6, 0.3, 0.1];
const STEPS = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };

/** @param {number} logprob @returns {number} 0 for a token that was all but certain, up to 4 */
export function levelOf(logprob) {
  const level = LEVELS.findIndex((least) => Math.exp(logprob) >= least);
  return level === -1 ? LEVELS.length : level;
}

/** White space is shown, since a token is often nothing else, and stays with its word. */
export function visible(text) {
  return text.replaceAll(" ", "\u00a0").replaceAll("\n", "↵\n").replaceAll("\t", "⇥\t") || "∅";
}

export class TokenView {
  node = element("div", { class: "tokens" });
  #chips = element("div", { class: "chips", role: "listbox", "aria-label": "Tokens of the reply", "aria-orientation": "horizontal" });
  #card = element("div", { class: "card", role: "status", hidden: true });
  /** @type {import("./reply.js").Token[]} */
  #tokens = [];
  /** @type {HTMLElement[]} */
  #nodes = [];

  constructor() {
    this.node.append(this.#chips, this.#card, legend());
    this.#chips.addEventListener("pointerover", ({ target }) => this.#select(target));
    this.#chips.addEventListener("focusin", ({ target }) => this.#select(target));
    this.#chips.addEventListener("keydown", (event) => this.#onKey(event));
    this.node.addEventListener("pointerleave", () => this.#leave());
    this.node.addEventListener("focusout", () => this.#leave());
  }

  /** @param {import("./reply.js").Token[]} tokens more of them each time */
  update(tokens) {
    for (const token of tokens.slice(this.#tokens.length)) {
      const node = chip(token, this.#tokens.length === 0);
      if (/^\s/.test(token.token)) this.#chips.append(element("wbr")); // a line may begin here
      this.#chips.append(node);
      this.#nodes.push(node);
      this.#tokens.push(token);
    }
  }

  #onKey(event) {
    const step = STEPS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const there = this.#nodes.indexOf(document.activeElement) + step;
    this.#nodes[Math.min(Math.max(there, 0), this.#nodes.length - 1)].focus();
  }

  #select(target) {
    const index = this.#nodes.indexOf(target);
    if (index === -1) return;
    for (const other of this.#chips.querySelectorAll("[aria-selected=true]")) unselect(other);
    target.setAttribute("aria-selected", "true");
    for (const other of this.#chips.querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
    target.tabIndex = 0;
    this.#show(target, this.#tokens[index]);
  }

  #leave() {
    const focused = this.#chips.querySelector(":focus");
    if (focused) this.#select(focused);
    else this.#card.hidden = true;
  }

  #show(target, token) {
    const alternatives = token.top_logprobs.map((other) => row(other, other.token === token.token));
    const isAmong = token.top_logprobs.some((other) => other.token === token.token);
    this.#card.replaceChildren(
      element("table", {},
        element("caption", {}, "Likeliest tokens here"),
        element("tbody", {}, ...alternatives, ...(isAmong ? [] : [row(token, true)]))),
    );
    this.#card.hidden = false;
    const room = this.node.clientWidth - this.#card.offsetWidth;
    this.#card.style.left = `${Math.max(Math.min(target.offsetLeft, room), 0)}px`;
    this.#card.style.top = `${target.offsetTop + target.offsetHeight + 6}px`;
  }
}

function unselect(node) {
  node.setAttribute("aria-selected", "false");
}

function chip(token, isFirst) {
  const share = percent(Math.exp(token.logprob));
  return element("span", {
    class: `chip level-${levelOf(token.logprob)}`,
    role: "option",
    tabindex: isFirst ? 0 : -1,
    "aria-selected": "false",
    "aria-label": `${JSON.stringify(token.token)}, ${share}`,
    "data-logprob": token.logprob,
  }, visible(token.token));
}

function row({ token, logprob }, isChosen) {
  const share = Math.exp(logprob);
  const bar = element("i", { class: "share" });
  bar.style.inlineSize = `${Math.max(share * 100, 1)}%`;
  return element("tr", { class: isChosen ? "chosen" : false },
    element("th", { scope: "row" }, JSON.stringify(token).slice(1, -1).replaceAll(" ", "␣")),
    element("td", {}, bar),
    element("td", { class: "number" }, percent(share)),
    element("td", { class: "number faint" }, logprob.toFixed(2)));
}

function legend() {
  const names = ["≥ 90 %", "≥ 60 %", "≥ 30 %", "≥ 10 %", "less"];
  const keys = names.map((name, level) => element("li", {}, element("i", { class: `swatch level-${level}` }), name));
  return element("ul", { class: "legend", "aria-label": "What the colours of tokens mean" }, ...keys);
}
