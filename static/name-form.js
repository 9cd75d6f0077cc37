// @ts-check
// The form to change one's name.

import { find } from './dom.js';
import { t } from './i18n.js';
import { wellFormed } from './text.js';

export class NameForm {
  #form = find('#name-form', HTMLFormElement);
  #input = find('#name', HTMLInputElement);
  #error = find('#name-error', HTMLElement);
  #shown = '';

  /** @param {{ onChoose: (name: string) => void }} parts */
  constructor({ onChoose }) {
    this.#input.addEventListener('input', () => this.fail(''));
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      const name = wellFormed(this.#input.value.trim());
      if (name === '') return this.fail(t.rules.name.blank());
      this.fail('');
      if (name === this.#shown) this.#input.value = name;
      else onChoose(name);
    });
  }

  /**
   * Shows the reader's name, but not in the place of another that is being typed.
   *
   * @param {string} name
   * @param {boolean} wasChosen here, so that what was typed is done with
   */
  show(name, wasChosen) {
    if (wasChosen || this.#input.value === this.#shown) this.#input.value = name;
    if (wasChosen) this.fail('');
    this.#shown = name;
  }

  /** @param {string} reason */
  fail(reason) {
    this.#error.textContent = reason;
    this.#input.setAttribute('aria-invalid', String(reason !== ''));
  }
}
