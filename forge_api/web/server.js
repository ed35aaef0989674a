/**
 * Calls of the API, with the key that was typed in; knows nothing of the page.
 */

import { eventsOf } from "./event_stream.js";

/** What the API says is wrong. `param` names the field of the request that is to blame. */
export class ServerError extends Error {
  /** @param {number} status @param {{message?: string, param?: string, code?: string}} error */
  constructor(status, error) {
    super(error.message ?? `The server answered with status ${status}`);
    this.status = status;
    this.param = error.param ?? null;
    this.code = error.code ?? null;
  }
}

export class Server {
  /** @param {() => string} key the API key, or an empty text */
  constructor(key) {
    this.#key = key;
  }

  #key;

  /** @returns {Promise<string>} the name of the model that is served */
  async model() {
    const reply = await this.#call("v1/models");
    return (await reply.json()).data[0].id;
  }

  /** @returns {Promise<object>} as forge_api/handlers/status.py has it */
  async status() {
    return (await this.#call("forge/v1/status")).json();
  }

  /**
   * @param {object} body of a chat completion
   * @param {AbortSignal} signal
   * @returns {AsyncGenerator<object>} the chunks of its stream
   */
  async *chat(body, signal) {
    const reply = await this.#call("v1/chat/completions", { body, signal });
    for await (const data of eventsOf(reply.body)) {
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new ServerError(200, chunk.error);
      yield chunk;
    }
    throw new ServerError(200, { message: "The stream ended before the reply did" });
  }

  async #call(path, { body, signal } = {}) {
    const headers = this.#key() ? { Authorization: `Bearer ${this.#key()}` } : {};
    const options = { headers, signal, cache: "no-store" };
    if (body) {
      options.method = "POST";
      options.body = JSON.stringify(body);
      headers["Content-Type"] = "application/json";
    }
    const reply = await fetch(path, options);
    if (!reply.ok) throw new ServerError(reply.status, await errorIn(reply));
    return reply;
  }
}

async function errorIn(reply) {
  try {
    return (await reply.json()).error ?? {};
  } catch {
    return {};
  }
}
