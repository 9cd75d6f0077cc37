// @ts-check
// Sends the texts of the outbox while there is a connection, and keeps them for the next visit while there is none.

import { Outbox } from './outbox.js';
import { readStoredList, writeStoredList } from './storage.js';

const OVERDUE_MS = 5_000;
const AFTER_TOO_FAST_MS = 1_000;

/** @typedef {import('./outbox.js').Item} Item */

export class Sender {
  #room;
  #connection;
  #position;
  #onChange;
  #key;
  #outbox;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #overdue;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pause;
  #isOverdue = false;

  /**
   * @param {object} parts
   * @param {string} parts.room
   * @param {import('./connection.js').Connection} parts.connection
   * @param {() => { uid: string, epoch: string, offset: number } | null} parts.position where the page stands; null
   *   while it does not know
   * @param {(items: readonly Item[]) => void} parts.onChange
   */
  constructor({ room, connection, position, onChange }) {
    this.#room = room;
    this.#connection = connection;
    this.#position = position;
    this.#onChange = onChange;
    this.#key = `throng.unconfirmed:${room}`;
    this.#outbox = new Outbox(randomPrefix(), readStoredList('sessionStorage', this.#key));
    // A copy of this tab would send what is stored once more, so it is stored only while the page may end.
    this.#store([]);
    for (const event of ['pagehide', 'pageshow', 'visibilitychange']) {
      addEventListener(event, () => this.#storeIfLeaving(event), { capture: true });
    }
  }

  /** Whether a text has been on its way for too long. */
  get isOverdue() {
    return this.#isOverdue;
  }

  /** @param {string} text */
  say(text) {
    this.#outbox.add(text);
    this.flush();
  }

  /** @param {Item} item */
  sendAgain(item) {
    this.#outbox.requeue(item);
    this.flush();
  }

  /** @param {string | undefined} id */
  remove(id) {
    if (this.#outbox.remove(id)) this.flush();
  }

  /**
   * Takes what the server says against a text. Returns false if it says it of something else.
   *
   * @param {string | undefined} id
   * @param {string} reason
   */
  refused(id, reason) {
    const item = this.#outbox.find(id);
    if (!item) return false;
    this.#outbox.refuse(item, reason);
    this.flush();
    return true;
  }

  /**
   * Takes a refusal for the number of messages, and tries the text again a little later. Returns false if it is about
   * something else.
   *
   * @param {string | undefined} id
   */
  tooFast(id) {
    const item = this.#outbox.find(id);
    if (!item) return false;
    this.#outbox.requeue(item);
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.flush();
    }, AFTER_TOO_FAST_MS);
    return true;
  }

  // The history is asked for again on this connection.
  ask() {
    this.#outbox.ask();
  }

  /** @type {Outbox['observe']} */
  observe(part, known) {
    this.#outbox.observe(part, known);
  }

  /** @type {Outbox['settle']} */
  settle(uid, members) {
    this.#outbox.settle(uid, members);
    this.flush();
  }

  /** @type {Outbox['settleConnection']} */
  settleConnection(uid) {
    this.#outbox.settleConnection(uid);
    this.flush();
  }

  // Sends what can be sent now.
  flush() {
    if (!this.#isUnderway()) this.#isOverdue = false;
    const item = this.#outbox.next();
    const position = this.#position();
    if (item && position && !this.#pause && this.#connection.isConnected) {
      const { id, text } = item;
      if (this.#connection.send({ type: 'say', room: this.#room, text, id })) {
        this.#outbox.markSent(item, position);
        this.#expectAnswer();
      }
    }
    this.#onChange(this.#outbox.items);
  }

  #expectAnswer() {
    clearTimeout(this.#overdue);
    this.#overdue = setTimeout(() => {
      if (!this.#isUnderway()) return;
      this.#isOverdue = true;
      this.#connection.check();
      this.#expectAnswer();
    }, OVERDUE_MS);
  }

  #isUnderway() {
    return this.#outbox.items.some(({ state }) => state === 'sent');
  }

  /** @param {string} event */
  #storeIfLeaving(event) {
    const isLeaving = event === 'pagehide' || (event === 'visibilitychange' && document.hidden);
    this.#store(isLeaving ? this.#outbox.items : []);
  }

  /** @param {readonly Item[]} items */
  #store(items) {
    writeStoredList('sessionStorage', this.#key, [...items]);
  }
}

function randomPrefix() {
  return Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(36)).join('');
}
