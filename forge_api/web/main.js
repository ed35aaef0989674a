/**
 * The page: two views, told apart by the fragment of its address, over one server.
 */

import { byId } from "./dom.js";
import { Key } from "./key.js";
import { Playground } from "./playground.js";
import { Server } from "./server.js";
import { StatusView } from "./status.js";

const RETRY_MS = 3000;
const VIEWS = ["playground", "status"];

class Page {
  #key = new Key(() => this.#greet());
  #retry = 0;
  #server = new Server(() => this.#key.value);
  #playground = new Playground(this.#server, (error) => this.#onError(error));
  #status = new StatusView(this.#server, {
    onHealth: (health) => this.#say(health.status === "ok" ? "ok" : "bad", health.model),
    onError: (error) => this.#show(error),
  });

  start() {
    addEventListener("hashchange", () => this.#route());
    this.#route();
    this.#greet();
  }

  #route() {
    if (location.hash && !location.hash.startsWith("#/")) return; // a place within the view
    const view = VIEWS.find((name) => location.hash === `#/${name}`) ?? VIEWS[0];
    for (const name of VIEWS) byId(name).hidden = name !== view;
    for (const link of document.querySelectorAll("[data-view]")) {
      if (link.dataset.view === view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = view === "status" ? "Status – Forge" : "Forge";
    this.#status.isShown = view === "status";
  }

  async #greet() {
    clearTimeout(this.#retry);
    try {
      const model = await this.#server.model();
      this.#say("ok", model);
      this.#playground.modelName = model;
    } catch (error) {
      this.#onError(error);
    }
  }

  /** Of what somebody has asked for. */
  #onError(error) {
    this.#show(error);
    if (error.status === 401) this.#key.ask();
  }

  #show(error) {
    if (error.status === 401) this.#say("bad", "Needs an API key");
    if (error.status !== undefined) return;
    this.#say("bad", "Server not reached");
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#greet(), RETRY_MS);
  }

  #say(state, text) {
    byId("server").dataset.state = state;
    if (byId("server-text").textContent !== text) byId("server-text").textContent = text;
  }
}

new Page().start();
