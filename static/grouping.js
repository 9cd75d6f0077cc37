// @ts-check
// Decides where a day begins, and which messages follow one of the same person closely enough to share its heading.

const GROUP_MS = 5 * 60_000;

export class Grouping {
  #day = '';
  /** @type {{ uid: string, name: string, at: number } | null} */
  #previous = null;

  // Whatever comes next has a heading of its own.
  interrupt() {
    this.#previous = null;
  }

  /**
   * @param {{ uid: string, name: string }} message
   * @param {Date} date of the message
   * @param {string} day as it is shown
   */
  place({ uid, name }, date, day) {
    const at = date.getTime();
    const startsDay = day !== this.#day;
    const previous = this.#previous;
    const follows = !startsDay && previous?.uid === uid && previous.name === name && at - previous.at < GROUP_MS;
    this.#day = day;
    this.#previous = { uid, name, at };
    return { startsDay, follows };
  }
}
