// @ts-check
// The form to switch rooms.

import { find } from './dom.js';
import { t } from './i18n.js';
import { brokenRoomRule } from './room-name.js';
import { wellFormed } from './text.js';

export class RoomForm {
  #form = find('#room-form', HTMLFormElement);
  #input = find('#go', HTMLInputElement);
  #error = find('#room-error', HTMLElement);

  /** Bytes of a room name; 0 for no limit. */
  limit = 0;

  constructor() {
    this.#input.addEventListener('input', () => this.#fail(''));
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      const name = wellFormed(this.#input.value.trim());
      const rule = brokenRoomRule(name, this.limit);
      if (rule) return this.#fail(t.rules.room[rule](this.limit));
      location.assign(`?room=${encodeURIComponent(name)}`);
    });
  }

  /** @param {string} reason */
  #fail(reason) {
    this.#error.textContent = reason;
    this.#input.setAttribute('aria-invalid', String(reason !== ''));
  }
}
