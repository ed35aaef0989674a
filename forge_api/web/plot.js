/**
 * A small plot of values over the last minutes: lines in an SVG, and in words what they show.
 */

import { element, shape } from "./dom.js";

const WIDTH = 300;
const HEIGHT = 72;
const LABEL = 18; // of the height, for what the scale ends with

/**
 * @typedef {object} Line
 * @property {string} name
 * @property {(sample: import("./history.js").Sample) => number | null} value
 */

export class Plot {
  /**
   * @param {string} title
   * @param {Line[]} lines
   * @param {(value: number) => string} format
   */
  constructor(title, lines, format) {
    this.#lines = lines;
    this.#format = format;
    this.#figures = lines.map(() => element("dd", {}));
    this.#paths = lines.map((_, index) => shape("path", { class: `line line-${index}` }));
    this.#image = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" }, this.#area, ...this.#paths);
    const terms = lines.map((line, index) => element("div", {}, element("dt", {}, element("i", { class: `swatch line-${index}` }), line.name), this.#figures[index]));
    this.node = element("figure", { class: "plot" },
      element("figcaption", {}, title),
      element("dl", {}, ...terms),
      element("div", { class: "canvas" }, this.#image, this.#top));
    this.#title = title;
  }

  #title;
  #lines;
  #format;
  #figures;
  #paths;
  #image;
  #area = shape("path", { class: "area" });
  #top = element("span", { class: "top" });
  node;

  /** @param {import("./history.js").Sample[]} samples @param {{startS: number, endS: number}} time */
  update(samples, time) {
    const greatest = roundedUp(Math.max(...this.#lines.flatMap(({ value }) => samples.map((sample) => value(sample) ?? 0)), 0));
    const said = this.#lines.map((line, index) => this.#draw(line, index, { samples, time, greatest }));
    this.#top.textContent = greatest > 0 ? this.#format(greatest) : "";
    this.#image.setAttribute("aria-label", `${this.#title}: ${said.join(", ")}; at most ${this.#format(greatest)}`);
  }

  #draw({ name, value }, index, { samples, time, greatest }) {
    const runs = runsOf(samples, value).map((run) => run.map((sample) => ({
      x: (WIDTH * (sample.atS - time.startS)) / (time.endS - time.startS),
      y: HEIGHT - 1 - (HEIGHT - LABEL) * (greatest > 0 ? value(sample) / greatest : 0),
    })));
    this.#paths[index].setAttribute("d", runs.map(path).join(""));
    if (index === 0) this.#area.setAttribute("d", runs.map(closed).join(""));
    const last = samples.length > 0 ? value(samples.at(-1)) : null;
    const text = last === null ? "–" : this.#format(last);
    this.#figures[index].textContent = text;
    return `${name} ${text}`;
  }
}

/** Stretches without a gap in them. */
export function runsOf(samples, value) {
  const runs = [[]];
  for (const sample of samples) {
    if (sample.isGap) runs.push([]);
    else if (value(sample) === null) runs.push([]);
    else runs.at(-1).push(sample);
  }
  return runs.filter((run) => run.length > 0);
}

/** The next of 1, 2, 5, 10, … so that the scale stands still while values move. */
export function roundedUp(value) {
  if (value <= 0) return 0;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((factor) => factor * power >= value * (1 - 1e-9)) * power;
}

function path(points) {
  const [first, ...rest] = points.map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`);
  return `M${first}${rest.length > 0 ? `L${rest.join("L")}` : "h0.01"}`;
}

function closed(points) {
  return `${path(points)}L${points.at(-1).x.toFixed(1)} ${HEIGHT}L${points[0].x.toFixed(1)} ${HEIGHT}Z`;
}
