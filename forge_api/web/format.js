/** Numbers as people read them. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function count(number) {
  return whole.format(number);
}

/** `1 token`, `2 tokens`. */
export function counted(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** Three figures at most after the first: 0.42, 7.3, 318, 12,400. */
export function figure(number) {
  if (number >= 100) return whole.format(number);
  return String(Number(number.toPrecision(number >= 1 ? 3 : 2)));
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 1) return `${figure(seconds * 1000)} ms`;
  if (seconds < 100) return `${figure(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 100) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** @param {number} share 0 to 1 */
export function percent(share) {
  const value = share * 100;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  return `${value < 10 || (value > 99 && value < 100) ? Number(value.toFixed(1)) : Math.round(value)} %`;
}
