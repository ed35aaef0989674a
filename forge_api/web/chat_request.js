/**
 * The body of a chat completion, out of what the page's fields hold.
 */

/**
 * @typedef {object} Fields what is left empty is undefined, and left to the server
 * @property {string} [system]
 * @property {number} [temperature]
 * @property {number} [top_p]
 * @property {number} [top_k]
 * @property {number} [max_tokens]
 * @property {number} [seed]
 * @property {object} [schema]
 * @property {object[]} [tools]
 * @property {boolean} shows_tokens
 */

export const NUM_ALTERNATIVES = 5;
const NUMBERS = ["temperature", "top_p", "top_k", "max_tokens", "seed"];

/**
 * @param {Fields} fields
 * @param {object[]} messages those of the conversation, the system prompt not among them
 */
export function chatRequest(fields, messages) {
  const body = {
    messages: fields.system ? [{ role: "system", content: fields.system }, ...messages] : messages,
    stream: true,
    stream_options: { include_usage: true, continuous_usage_stats: true },
  };
  for (const name of NUMBERS) if (fields[name] !== undefined) body[name] = fields[name];
  if (fields.tools !== undefined) body.tools = fields.tools;
  if (fields.schema !== undefined) {
    const json_schema = { name: "reply", schema: fields.schema };
    body.response_format = { type: "json_schema", json_schema };
  }
  if (fields.shows_tokens) Object.assign(body, { logprobs: true, top_logprobs: NUM_ALTERNATIVES });
  return body;
}
