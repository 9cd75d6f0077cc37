// @ts-check
// The title of the tab, which counts what was said while nobody looked.

import { formatNumber } from './i18n.js';

export class Title {
  #room;
  #unread = 0;

  /** @param {string} room */
  constructor(room) {
    this.#room = room;
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.#show(0);
    });
    this.#show(0);
  }

  /** @param {number} messages of others */
  count(messages) {
    if (document.hidden) this.#show(this.#unread + messages);
  }

  /** @param {number} unread */
  #show(unread) {
    this.#unread = unread;
    document.title = `${unread > 0 ? `(${formatNumber(unread)}) ` : ''}${this.#room} · throng`;
  }
}
