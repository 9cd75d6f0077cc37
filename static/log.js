// The conversation on the screen: drawn once a frame, bounded in length, and never moving under a reader's eyes.

import { formatDay, formatNumber, t } from './i18n.js';
import { line, messageRow, pendingRow } from './message.js';

const KEPT = 300;
const TRIM_AT = 400;
const GROUP_MS = 5 * 60_000;
const NEAR_END_PX = 40;
// A replay is not news, and is not to be read out from its first to its last message.
const REPLAY = 10;

export class Log {
  #scroller = document.querySelector('#log');
  #list = document.querySelector('#messages');
  #pending = document.querySelector('#pending');
  #newer = document.querySelector('#newer');
  #queue = [];
  #scheduled = false;
  #previous = null;
  #day = '';
  #unseen = 0;
  #atEnd = true;

  constructor({ onJump }) {
    this.#scroller.addEventListener('scroll', () => this.#look(), { passive: true });
    this.#newer.addEventListener('click', () => {
      this.#jump();
      onJump();
    });
    // A growing box or a phone's keyboard takes height away from the end.
    new ResizeObserver(() => this.#settle()).observe(this.#scroller);
  }

  // Takes messages, each with `own`, and notes, which have `note` instead.
  append(items) {
    this.#queue.push(...items);
    // A hidden page draws no frames; what would be trimmed anyway is not kept until it does.
    if (this.#queue.length > TRIM_AT) this.#queue.splice(0, this.#queue.length - KEPT);
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => this.#draw());
  }

  clear() {
    this.#queue = [];
    this.#list.replaceChildren();
    this.#previous = null;
    this.#day = '';
    this.#jump();
  }

  // Shows a message of one's own that has not come back from the server yet.
  addPending(id, text) {
    this.#pending.append(pendingRow(id, text));
    this.#jump();
  }

  removePending(id) {
    [...this.#pending.children].find((row) => row.dataset.id === id)?.remove();
  }

  #draw() {
    this.#scheduled = false;
    const items = this.#queue;
    this.#queue = [];
    if (items.length > REPLAY) {
      this.#scroller.ariaBusy = 'true';
      requestAnimationFrame(() => (this.#scroller.ariaBusy = 'false'));
    }
    this.#list.append(...items.flatMap((item) => this.#rows(item)));
    this.#trim();
    if (!this.#atEnd) this.#unseen += items.filter((item) => !item.note).length;
    this.#settle();
  }

  #rows(item) {
    if (item.note) {
      this.#previous = null;
      return [line('note', item.note)];
    }
    const at = new Date(item.time);
    const day = formatDay(at);
    const sameDay = day === this.#day;
    const previous = this.#previous;
    const follows = sameDay && previous?.uid === item.uid && previous.name === item.name && at - previous.at < GROUP_MS;
    this.#day = day;
    this.#previous = { uid: item.uid, name: item.name, at };
    const row = messageRow({ ...item, at, follows });
    return sameDay ? [row] : [line('day', day), row];
  }

  #trim() {
    if (this.#list.children.length <= TRIM_AT) return;
    const before = this.#scroller.scrollHeight;
    while (this.#list.children.length > KEPT) this.#list.firstElementChild.remove();
    this.#list.firstElementChild.classList.remove('follow');
    if (!this.#atEnd) this.#scroller.scrollTop -= before - this.#scroller.scrollHeight;
  }

  #look() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    this.#showNewer();
  }

  #jump() {
    this.#atEnd = true;
    this.#settle();
  }

  #settle() {
    if (this.#atEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#showNewer();
  }

  #showNewer() {
    if (this.#atEnd) this.#unseen = 0;
    this.#newer.hidden = this.#unseen === 0;
    this.#newer.textContent = t.newer(formatNumber(this.#unseen));
  }
}
