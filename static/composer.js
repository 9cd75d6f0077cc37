// The box one writes in.

import { formatNumber, isolate, t } from './i18n.js';

const utf8 = new TextEncoder();
const NEAR = 0.9;
const LEGACY_COMPOSING_KEY = 229;

export class Composer {
  #form = document.querySelector('#composer');
  #box = document.querySelector('#text');
  #left = document.querySelector('#room-left');
  #limit = Infinity;

  // `onSay` answers whether the text is on its way; if not, it stays in the box.
  constructor({ onSay }) {
    this.#box.addEventListener('input', () => this.#fit());
    this.#box.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || isComposing(event)) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      const text = this.#box.value.trimEnd().toWellFormed();
      if (text.trim() !== '' && onSay(text)) this.#fill('');
      this.focus();
    });
  }

  set limit(bytes) {
    this.#limit = bytes || Infinity;
    this.#fit();
  }

  set name(name) {
    this.#box.placeholder = t.messageAs(isolate(name));
  }

  fits(text) {
    return utf8.encode(text).length <= this.#limit;
  }

  // Puts text back that was not delivered, before whatever has been written since.
  restore(text) {
    this.#fill(this.#box.value === '' ? text : `${text}\n${this.#box.value}`);
  }

  focus() {
    this.#box.focus();
  }

  #fill(text) {
    this.#box.value = text;
    this.#fit();
  }

  #fit() {
    this.#box.style.height = 'auto';
    this.#box.style.height = `${this.#box.scrollHeight}px`;
    const left = this.#limit - utf8.encode(this.#box.value).length;
    this.#left.hidden = !(left <= this.#limit * (1 - NEAR));
    this.#left.textContent = this.#left.hidden ? '' : t.bytesLeft(formatNumber(left));
    this.#left.classList.toggle('over', left < 0);
  }
}

// Safari ends the composition before it reports the Enter that ended it, and marks that key with the old code only.
function isComposing(event) {
  return event.isComposing || event.keyCode === LEGACY_COMPOSING_KEY;
}
