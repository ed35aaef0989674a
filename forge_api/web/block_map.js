/**
 * The KV memory as a grid: a cell is a block, or many where there are many.
 */

import { byId } from "./dom.js";
import { count, percent } from "./format.js";

const LEAST_CELL_PX = 11;
const GAP_PX = 2;

/** @typedef {{num_blocks: number, blocks_per_cell: number, blocks_seen: number, used: number[], cached: number[]}} Cells */

export class BlockMap {
  #canvas = byId("block-map");
  #note = byId("block-note");
  /** @type {Cells | null} */
  #cells = null;

  constructor() {
    new ResizeObserver(() => this.#draw()).observe(this.#canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  /** @param {Cells | null} cells @param {object | null} engine */
  update(cells, engine) {
    this.#cells = cells;
    this.#canvas.hidden = cells === null || cells.num_blocks === 0;
    const said = cells === null || engine === null ? "" : inWords(cells, engine);
    this.#note.textContent = said;
    this.#canvas.setAttribute("aria-label", `KV blocks: ${said}`);
    this.#draw();
  }

  #draw() {
    const width = this.#canvas.clientWidth;
    if (this.#cells === null || width === 0) return;
    const numColumns = Math.max(Math.floor((width + GAP_PX) / (LEAST_CELL_PX + GAP_PX)), 1);
    const numRows = Math.ceil(this.#cells.used.length / numColumns);
    const sidePx = (width + GAP_PX) / numColumns - GAP_PX; // so that a row fills the width
    const height = Math.ceil(numRows * (sidePx + GAP_PX) - GAP_PX);
    const scale = devicePixelRatio;
    if (this.#canvas.width !== Math.round(width * scale) || this.#canvas.height !== Math.round(height * scale)) {
      this.#canvas.width = Math.round(width * scale);
      this.#canvas.height = Math.round(height * scale);
      this.#canvas.style.blockSize = `${height}px`;
    }
    const pen = this.#canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    this.#fill(pen, numColumns, sidePx);
  }

  #fill(pen, numColumns, sidePx) {
    const style = getComputedStyle(this.#canvas);
    const [used, cached, free] = ["--used", "--cached", "--free"].map((name) => style.getPropertyValue(name));
    for (const [index, cell] of cellsOf(this.#cells).entries()) {
      const x = (index % numColumns) * (sidePx + GAP_PX);
      const bottom = Math.floor(index / numColumns) * (sidePx + GAP_PX) + sidePx;
      const usedPx = partOf(cell.used, sidePx);
      const cachedPx = Math.min(partOf(cell.cached, sidePx), sidePx - usedPx);
      pen.fillStyle = free;
      pen.fillRect(x, bottom - sidePx, sidePx, sidePx);
      pen.fillStyle = cached;
      pen.fillRect(x, bottom - usedPx - cachedPx, sidePx, cachedPx);
      pen.fillStyle = used;
      pen.fillRect(x, bottom - usedPx, sidePx, usedPx);
    }
  }
}

/** @param {Cells} cells @returns {{used: number, cached: number}[]} shares of each cell */
export function cellsOf(cells) {
  const numInLast = cells.num_blocks - cells.blocks_per_cell * (cells.used.length - 1);
  const stride = Math.ceil(cells.blocks_per_cell / cells.blocks_seen);
  return cells.used.map((used, index) => {
    const isLast = index === cells.used.length - 1;
    const seen = isLast ? Math.ceil(numInLast / stride) : cells.blocks_seen;
    return { used: used / seen, cached: cells.cached[index] / seen };
  });
}

/** A single block among many is still to be seen. */
function partOf(share, sidePx) {
  return share === 0 ? 0 : Math.max(share * sidePx, 2);
}

function inWords(cells, engine) {
  const numUsed = engine.num_blocks - engine.num_free_blocks;
  const shares = cellsOf(cells);
  const cachedShare = shares.reduce((sum, cell) => sum + cell.cached, 0) / (shares.length || 1);
  const scale = cells.blocks_per_cell > 1 ? `, ${count(cells.blocks_per_cell)} in a cell` : "";
  return `${count(numUsed)} of ${count(engine.num_blocks)} in use, ${percent(cachedShare)} kept for prefixes${scale}`;
}
