/**
 * The API key: kept in this tab's session storage, asked for in a dialog.
 */

import { byId } from "./dom.js";

const NAME = "forge-api-key";

export class Key {
  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    byId("key-button").addEventListener("click", () => this.ask());
    byId("key-cancel").addEventListener("click", () => this.#dialog.close());
    byId("key-form").addEventListener("submit", (event) => this.#keep(event));
    this.#show();
  }

  #onChange;
  #dialog = byId("key-dialog");
  #field = byId("key");

  get value() {
    return sessionStorage.getItem(NAME) ?? "";
  }

  ask() {
    this.#field.value = this.value;
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  #keep(event) {
    event.preventDefault();
    const given = this.#field.value.trim();
    if (given) sessionStorage.setItem(NAME, given);
    else sessionStorage.removeItem(NAME);
    this.#dialog.close();
    this.#show();
    this.#onChange();
  }

  #show() {
    byId("key-button").textContent = this.value ? "API key set" : "API key";
  }
}
