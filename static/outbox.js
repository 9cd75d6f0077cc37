// @ts-check
// The texts that were written here and are not confirmed yet. Each is delivered once: a text that was sent on a
// connection that ended is sent again only when it is certain that it was not said. That is certain when that
// connection has left the room and the history since has been seen without the text.

/**
 * @typedef {'queued' | 'sent' | 'refused' | 'unknown'} State `unknown`: it may have been said.
 * @typedef {object} Item
 * @property {string} id
 * @property {string} text
 * @property {State} state
 * @property {string} reason why it was refused
 * @property {string} uid of the connection it was sent on
 * @property {string} epoch of the history at that time
 * @property {number} after newest offset at that time
 * @property {boolean} asked the next history on the same connection settles it
 * @property {boolean} certain no history since has had a hole in which it may be
 */

export class Outbox {
  /** @type {Item[]} */
  #items;
  #prefix;
  #count = 0;

  /**
   * @param {string} prefix of ids, used by nobody else
   * @param {unknown[]} saved what `items` was on an earlier visit
   */
  constructor(prefix, saved = []) {
    this.#prefix = prefix;
    this.#items = saved.filter(isItem);
  }

  /** @returns {readonly Item[]} */
  get items() {
    return this.#items;
  }

  /** @param {string} text */
  add(text) {
    this.#items.push({
      id: `${this.#prefix}-${++this.#count}`,
      text, state: 'queued', reason: '', uid: '', epoch: '', after: 0, asked: false, certain: true,
    });
  }

  // Returns the text to send now. One at a time is on its way, so the order holds whatever happens.
  next() {
    if (this.#items.some(({ state }) => state === 'sent')) return null;
    return this.#items.find(({ state }) => state === 'queued') ?? null;
  }

  /**
   * @param {Item} item
   * @param {{ uid: string, epoch: string, offset: number }} position
   */
  markSent(item, { uid, epoch, offset }) {
    Object.assign(item, { state: 'sent', uid, epoch, after: offset, asked: false, certain: true });
  }

  /**
   * Removes a text: it was said, or its writer discards it. Returns false if it is not here.
   *
   * @param {string | undefined} id
   */
  remove(id) {
    const before = this.#items.length;
    this.#items = this.#items.filter((item) => item.id !== id);
    return this.#items.length < before;
  }

  /** @param {string | undefined} id */
  find(id) {
    return this.#items.find((item) => item.id === id);
  }

  /**
   * @param {Item} item
   * @param {string} reason
   */
  refuse(item, reason) {
    Object.assign(item, { state: 'refused', reason });
  }

  /** @param {Item} item */
  requeue(item) {
    Object.assign(item, { state: 'queued', reason: '' });
  }

  // The page asks for the history again on the same connection.
  ask() {
    for (const item of this.#items) item.asked = true;
  }

  /**
   * Takes note of a part of the history, after what it confirms was removed.
   *
   * @param {{ epoch: string, offset: number, history: { offset: number }[] }} part up to and with `offset`
   * @param {{ epoch: string | null, offset: number }} known what this page knew of the history before
   */
  observe(part, known) {
    for (const item of this.#items) if (item.state === 'sent') item.certain &&= isComplete(item, part, known);
  }

  /**
   * Settles what can be settled now that the history has been seen to its end.
   *
   * @param {string} uid of this connection
   * @param {{ uid: string }[] | undefined} members of the room, if it is small enough to list them
   */
  settle(uid, members) {
    for (const item of this.#items) {
      const isOver = item.uid === uid ? item.asked : !members?.some((member) => member.uid === item.uid);
      if (item.state === 'sent' && isOver) decide(item);
    }
  }

  /**
   * A connection has left the room, after everything it said.
   *
   * @param {string} uid
   */
  settleConnection(uid) {
    for (const item of this.#items) if (item.state === 'sent' && item.uid === uid) decide(item);
  }
}

/** @param {Item} item */
function decide(item) {
  item.state = item.certain ? 'queued' : 'unknown';
}

/**
 * Whether every message since a text was sent has been seen, up to the end of this part. After a restart there is no
 * such history, and nobody has the text in theirs.
 *
 * @param {Item} item
 * @param {{ epoch: string, offset: number, history: { offset: number }[] }} part
 * @param {{ epoch: string | null, offset: number }} known
 */
function isComplete(item, part, known) {
  if (item.epoch !== part.epoch) return true;
  const since = known.epoch === part.epoch ? Math.max(item.after, known.offset) : item.after;
  return part.history.filter(({ offset }) => offset > since).length >= part.offset - since;
}

/**
 * @param {unknown} value
 * @returns {value is Item}
 */
function isItem(value) {
  const item = /** @type {Item} */ (value);
  return typeof item?.id === 'string' && typeof item.text === 'string' && typeof item.state === 'string';
}
