/**
 * Makes elements. Text always becomes text nodes: nothing that a model or a server says is markup.
 */

/**
 * @param {string} tag
 * @param {Object<string, string | number | boolean | EventListener>} properties attributes;
 *   functions are listeners of the event they are named for, `false` leaves an attribute out
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function element(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** The same for SVG. @returns {SVGElement} */
export function shape(tag, properties = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

/** The element of an id, which the page is known to have. @returns {any} */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

function filled(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== false) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}
