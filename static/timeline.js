// @ts-check
// Where this page stands in the room's history: decides what is new, what is known and what was missed.

/**
 * @typedef {{ offset: number, uid: string, name: string, time: string, text: string, id?: string }} Message
 * @typedef {{ epoch: string, offset: number, history: Message[], more?: boolean }} Part of a history: what `joined` holds
 */

export class Timeline {
  /** @type {string | null} */
  epoch = null;
  offset = 0;
  #suspended = false;

  /** Whether messages are left to `join`, which brings what was left out and all that followed. */
  get isSuspended() {
    return this.#suspended;
  }

  // Stops taking messages after a gap, until `join` has brought the rest.
  suspend() {
    this.#suspended = true;
  }

  /**
   * Returns what a `joined` frame adds: messages, and the number of those missing wherever some are. Before the
   * first message of a history that is new to the page nothing is missing. If the frame ends before the history
   * does, this stays suspended, and `position` is where the rest begins.
   *
   * @param {Part} part
   * @returns {{ restarted: boolean, added: (Message | { missing: number })[] }}
   */
  join({ epoch, offset, history, more }) {
    const isNew = epoch !== this.epoch;
    const restarted = isNew && this.epoch !== null;
    /** @type {(Message | { missing: number })[]} */
    const added = [];
    let known = isNew ? (history[0]?.offset ?? offset + 1) - 1 : this.offset;
    for (const message of history) {
      if (message.offset <= known) continue;
      if (message.offset > known + 1) added.push({ missing: message.offset - known - 1 });
      added.push(message);
      known = message.offset;
    }
    const continues = more === true && added.length > 0 && known < offset;
    if (known < offset && !continues) added.push({ missing: offset - known });
    this.epoch = epoch;
    this.offset = continues ? known : offset;
    this.#suspended = continues;
    return { restarted, added };
  }

  /**
   * Returns false for a message that is known already, or that the next `joined` brings.
   *
   * @param {{ offset: number }} message
   */
  accept({ offset }) {
    if (this.#suspended || offset <= this.offset) return false;
    this.offset = offset;
    return true;
  }

  /**
   * What to ask for when joining again.
   *
   * @returns {{ since?: number, epoch?: string }}
   */
  get position() {
    return this.epoch === null ? {} : { since: this.offset, epoch: this.epoch };
  }
}
