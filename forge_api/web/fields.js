/**
 * The parameters' fields: reads them, and shows what is wrong at the field it is wrong in.
 */

import { byId, element } from "./dom.js";

const NUMBERS = ["temperature", "top_p", "top_k", "max_tokens", "seed"];
const STORED = ["system", ...NUMBERS, "schema", "tools"];
const STORE = "forge-parameters";

export const SCHEMA_EXAMPLE = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 20 },
    age: { type: "integer", minimum: 0, maximum: 120 },
  },
  required: ["name", "age"],
  additionalProperties: false,
};

export const TOOLS_EXAMPLE = [{
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city",
    parameters: {
      type: "object",
      properties: { city: { type: "string", maxLength: 40 } },
      required: ["city"],
    },
  },
}];

/** What somebody typed is not what the field takes. `param` is the field. */
export class FieldError extends Error {
  constructor(param, message) {
    super(message);
    this.param = param;
  }
}

export class ParameterFields {
  constructor() {
    this.#restore();
    this.#form.addEventListener("input", (event) => this.#onInput(event));
    this.#form.addEventListener("reset", () => setTimeout(() => this.#onReset()));
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#offer("schema", SCHEMA_EXAMPLE);
    this.#offer("tools", TOOLS_EXAMPLE);
  }

  #form = byId("fields");

  /** @returns {import("./chat_request.js").Fields} Throws FieldError. */
  read() {
    const fields = { shows_tokens: byId("shows_tokens").checked };
    const system = byId("system").value;
    if (system.trim()) fields.system = system;
    for (const name of NUMBERS) Object.assign(fields, numberIn(name));
    return Object.assign(fields, jsonIn("schema", "response_format"), jsonIn("tools", "tools"));
  }

  /**
   * @param {string | null} param as an error of the API names it, with a place in it or without
   * @returns {boolean} whether there is such a field
   */
  showError(param, message) {
    const name = param?.split(/[.#[]/)[0];
    const field = name && this.#form.querySelector(`[data-param="${CSS.escape(name)}"]`);
    if (!field || name === "messages") return false;
    const input = field.querySelector("input, textarea");
    field.querySelector(".error")?.remove();
    field.append(element("p", { class: "error", id: `${input.id}-error`, role: "alert" }, message));
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", `${input.id}-error`);
    byId("parameters").open = true;
    input.focus();
    return true;
  }

  clearErrors() {
    for (const field of this.#form.querySelectorAll(".field")) clear(field);
  }

  #offer(id, example) {
    byId(`${id}-example`).addEventListener("click", () => {
      byId(id).value = JSON.stringify(example, null, 2);
      byId(id).dispatchEvent(new Event("input", { bubbles: true }));
      byId(id).setSelectionRange(0, 0);
      byId(id).focus();
    });
  }

  #onInput({ target }) {
    clear(target.closest(".field"));
    fit(target);
    const values = Object.fromEntries(STORED.map((id) => [id, byId(id).value]));
    sessionStorage.setItem(STORE, JSON.stringify(values));
  }

  #onReset() {
    sessionStorage.removeItem(STORE);
    this.clearErrors();
    for (const area of this.#form.querySelectorAll("textarea")) fit(area);
  }

  #restore() {
    const values = JSON.parse(sessionStorage.getItem(STORE) ?? "{}");
    for (const id of STORED) if (values[id]) byId(id).value = values[id];
    for (const area of this.#form.querySelectorAll("textarea")) fit(area);
  }
}

/** Lets a text area be as high as what it holds, as far as the stylesheet lets it. */
export function fit(area) {
  if (area.tagName !== "TEXTAREA") return;
  area.style.blockSize = "auto";
  if (area.value) area.style.blockSize = `${area.scrollHeight + area.offsetHeight - area.clientHeight}px`;
}

function numberIn(name) {
  const input = byId(name);
  if (input.validity.badInput) throw new FieldError(name, "This is not a number");
  return input.value === "" ? {} : { [name]: exact(input.value) };
}

/** A seed may have more digits than a double holds; then it is better refused than changed. */
function exact(text) {
  const number = Number(text);
  if (Number.isInteger(number) && !Number.isSafeInteger(number)) {
    throw new FieldError("seed", "Give a number of at most 15 digits");
  }
  return number;
}

function jsonIn(id, param) {
  const text = byId(id).value.trim();
  if (!text) return {};
  try {
    return { [id]: JSON.parse(text) };
  } catch (error) {
    throw new FieldError(param, `This is not JSON: ${error.message}`);
  }
}

function clear(field) {
  field.querySelector(".error")?.remove();
  const input = field.querySelector("input, textarea");
  input.removeAttribute("aria-invalid");
  input.removeAttribute("aria-describedby");
}
