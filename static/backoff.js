// @ts-check
// How long to wait before each attempt to reconnect: a random part of a time that doubles.

const LONGEST_WAIT_MS = 30_000;
const FIRST_WAIT_MS = 1_000;
// A restart or an overload hits all clients at the same moment, so they spread over a longer time.
const FIRST_WAIT_AFTER = new Map([[1012, 5_000], [1013, 10_000]]);

export class Backoff {
  #attempt = 0;
  #random;

  constructor(random = Math.random) {
    this.#random = random;
  }

  /**
   * Returns the milliseconds to wait after a connection that ended with `code`, if it had one.
   *
   * @param {number} [code]
   */
  next(code) {
    const first = FIRST_WAIT_AFTER.get(code ?? 0) ?? FIRST_WAIT_MS;
    return this.#random() * Math.min(LONGEST_WAIT_MS, first * 2 ** this.#attempt++);
  }

  reset() {
    this.#attempt = 0;
  }
}
