// @ts-check
// The line above the box that says what went wrong, until the reader goes on.

import { find } from './dom.js';

export class Notice {
  #line = find('#notice', HTMLElement);

  /** @param {string} text */
  show(text) {
    this.#line.textContent = text;
    this.#line.hidden = text === '';
  }

  clear() {
    this.show('');
  }
}
