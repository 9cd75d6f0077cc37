// @ts-check
// The conversation on the screen: drawn once a frame, bounded in length, and never moving under a reader's eyes.

import { find } from './dom.js';
import { Grouping } from './grouping.js';
import { formatDay, t } from './i18n.js';
import { addToggles, lineRow, messageRow } from './message.js';

// Rows kept at the end of the conversation, the number at which it is cut to that, and the number while the reader
// is elsewhere, when nothing is removed.
const KEPT = 300;
const TRIM_AT = 400;
const KEPT_FOR_READER = 2000;
const NEAR_END_PX = 40;
// A replay is no news, and is not to be read out from its first to its last message.
const REPLAY = 10;
const PAGE = 0.9;

/**
 * @typedef {import('./timeline.js').Message} Message
 * @typedef {{ kind: 'message', message: Message, isOwn: boolean }} MessageEntry
 * @typedef {MessageEntry | { kind: 'note' | 'divider', text: string } | { kind: 'skipped', count: number }} Entry
 */

export class Log {
  #scroller = find('#log', HTMLElement);
  #list = find('#messages', HTMLElement);
  #newer = find('#newer', HTMLElement);
  #grouping = new Grouping();
  /** @type {Entry[]} */
  #queue = [];
  #isScheduled = false;
  #unseen = 0;
  #isAtEnd = true;

  /** @param {{ onJump: () => void }} parts */
  constructor({ onJump }) {
    this.#scroller.addEventListener('scroll', () => this.#look(), { passive: true });
    this.#newer.addEventListener('click', () => {
      this.jump();
      onJump();
    });
    // A growing box or a phone's keyboard takes height away from the end.
    new ResizeObserver(() => this.#settle()).observe(this.#scroller);
  }

  get isEmpty() {
    return this.#list.childElementCount === 0 && this.#queue.length === 0;
  }

  /** @param {Entry[]} entries */
  append(entries) {
    this.#queue.push(...entries);
    this.#boundQueue();
    if (!this.#isAtEnd) this.#unseen += entries.filter(({ kind }) => kind === 'message').length;
    this.#drawLater();
  }

  // Shows the end, and stays there.
  jump() {
    this.#isAtEnd = true;
    this.#drawLater();
    this.#settle();
  }

  /**
   * Scrolls by a page.
   *
   * @param {1 | -1} direction
   */
  turnPage(direction) {
    this.#scroller.scrollBy({ top: direction * PAGE * this.#scroller.clientHeight });
  }

  // A hidden page draws no frames, and a full one draws nothing more: what waits is bounded too.
  #boundQueue() {
    const space = KEPT_FOR_READER - this.#list.childElementCount;
    const bound = this.#isAtEnd ? TRIM_AT : Math.max(TRIM_AT, space);
    if (this.#queue.length <= bound) return;
    const skipped = this.#queue.splice(0, this.#queue.length - Math.min(KEPT, bound));
    const count = skipped.reduce((sum, entry) => sum + weightOf(entry), 0);
    this.#queue.unshift({ kind: 'skipped', count });
  }

  #drawLater() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    requestAnimationFrame(() => {
      this.#isScheduled = false;
      if (this.#isAtEnd || this.#list.childElementCount < KEPT_FOR_READER) this.#draw();
      this.#settle();
    });
  }

  #draw() {
    const entries = this.#queue;
    this.#queue = [];
    if (entries.length > REPLAY) this.#silence();
    const rows = entries.flatMap((entry) => this.#rows(entry));
    this.#list.append(...rows);
    document.body.classList.toggle('has-messages', this.#list.childElementCount > 0);
    if (this.#isAtEnd && this.#list.childElementCount > TRIM_AT) this.#trim();
    addToggles(rows);
  }

  #silence() {
    this.#scroller.setAttribute('aria-busy', 'true');
    requestAnimationFrame(() => this.#scroller.setAttribute('aria-busy', 'false'));
  }

  /**
   * @param {Entry} entry
   * @returns {Element[]}
   */
  #rows(entry) {
    if (entry.kind !== 'message') {
      this.#grouping.interrupt();
      return [entry.kind === 'skipped' ? lineRow('note', t.skipped(entry.count)) : lineRow(entry.kind, entry.text)];
    }
    const { message, isOwn } = entry;
    const date = new Date(message.time);
    const day = formatDay(date);
    const { startsDay, follows } = this.#grouping.place(message, date, day);
    const row = messageRow(message, { date, isOwn, follows });
    return startsDay ? [lineRow('day', day), row] : [row];
  }

  #trim() {
    while (this.#list.childElementCount > KEPT) this.#list.firstElementChild?.remove();
    this.#list.firstElementChild?.classList.remove('follow');
  }

  #look() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const wasAtEnd = this.#isAtEnd;
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (this.#isAtEnd && !wasAtEnd) this.#drawLater();
    this.#showNewer();
  }

  #settle() {
    if (this.#isAtEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#showNewer();
  }

  #showNewer() {
    if (this.#isAtEnd) this.#unseen = 0;
    this.#newer.hidden = this.#unseen === 0;
    this.#newer.textContent = t.newer(this.#unseen);
  }
}

/** @param {Entry} entry */
function weightOf(entry) {
  if (entry.kind === 'skipped') return entry.count;
  return entry.kind === 'message' ? 1 : 0;
}
