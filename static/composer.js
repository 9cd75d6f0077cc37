// @ts-check
// The box to write in. What is in it is kept for this tab, so that a reload does not lose it.

import { find } from './dom.js';
import { t } from './i18n.js';
import { readStored, writeStored } from './storage.js';
import { byteLength, isolate, wellFormed } from './text.js';

const NEAR = 0.9;
const LEGACY_COMPOSING_KEY = 229;
// On a touch screen there is no other way to start a line, and the button is where the thumb is.
const TOUCH = '(pointer: coarse) and (not (any-hover: hover))';

export class Composer {
  #form = find('#composer', HTMLFormElement);
  #box = find('#text', HTMLTextAreaElement);
  #left = find('#bytes-left', HTMLElement);
  #touch = matchMedia(TOUCH);
  #draftKey;
  #onSay;
  #limit = Infinity;

  /**
   * @param {object} parts
   * @param {string} parts.room
   * @param {(text: string) => boolean} parts.onSay returns whether the text was taken; if not, it stays in the box
   * @param {() => void} parts.onInput
   * @param {() => void} parts.onActivity someone is about to write
   * @param {(direction: 1 | -1) => void} parts.onTurnPage
   */
  constructor({ room, onSay, onInput, onActivity, onTurnPage }) {
    this.#draftKey = `throng.draft:${room}`;
    this.#onSay = onSay;
    this.#box.enterKeyHint = this.#touch.matches ? 'enter' : 'send';
    this.#box.addEventListener('focus', onActivity);
    this.#box.addEventListener('input', () => {
      this.#fit();
      onInput();
      onActivity();
    });
    this.#box.addEventListener('keydown', (event) => {
      if (event.key === 'PageUp' || event.key === 'PageDown') this.#turnPage(event, onTurnPage);
      if (event.key !== 'Enter' || !this.#sends(event)) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    document.addEventListener('keydown', (event) => this.#takeOver(event));
    this.#fill(readStored('sessionStorage', this.#draftKey) ?? '');
  }

  /** @param {number} bytes 0 for no limit */
  set limit(bytes) {
    this.#limit = bytes || Infinity;
    this.#fit();
  }

  /** @param {string} name */
  set name(name) {
    this.#box.placeholder = t.messageAs(isolate(name));
  }

  /** @param {string} text */
  fits(text) {
    return byteLength(text) <= this.#limit;
  }

  /**
   * Puts a text in the box, before what may be there.
   *
   * @param {string} text
   */
  edit(text) {
    this.#fill(this.#box.value === '' ? text : `${text}\n${this.#box.value}`);
    this.focus();
  }

  focus() {
    this.#box.focus();
  }

  // There is nobody to write to.
  close() {
    this.#form.hidden = true;
  }

  #submit() {
    const text = wellFormed(this.#box.value.trimEnd());
    if (text.trim() !== '' && this.#onSay(text)) this.#fill('');
    this.focus();
  }

  /** @param {KeyboardEvent} event */
  #sends(event) {
    if (event.shiftKey || isComposing(event)) return false;
    return !this.#touch.matches || event.ctrlKey || event.metaKey;
  }

  /**
   * @param {KeyboardEvent} event
   * @param {(direction: 1 | -1) => void} turn
   */
  #turnPage(event, turn) {
    if (this.#box.scrollHeight > this.#box.clientHeight) return;
    event.preventDefault();
    turn(event.key === 'PageUp' ? -1 : 1);
  }

  // What is typed while the conversation has the focus is meant for the box.
  /** @param {KeyboardEvent} event */
  #takeOver({ key, target, ctrlKey, metaKey, altKey }) {
    if (!(target instanceof HTMLElement) || !(target === document.body || target.closest('#log'))) return;
    const isTyped = key.length === 1 && key !== ' ' && !ctrlKey && !metaKey && !altKey;
    const pastes = (ctrlKey || metaKey) && key.toLowerCase() === 'v';
    if (isTyped || pastes || key === 'Process') this.focus();
  }

  /** @param {string} text */
  #fill(text) {
    this.#box.value = text;
    this.#fit();
  }

  #fit() {
    const text = this.#box.value;
    writeStored('sessionStorage', this.#draftKey, text);
    this.#form.classList.toggle('blank', text.trim() === '');
    this.#box.style.height = 'auto';
    this.#box.style.height = `${this.#box.scrollHeight}px`;
    const left = this.#limit - byteLength(text);
    this.#left.hidden = !(left <= this.#limit * (1 - NEAR));
    this.#left.classList.toggle('over', left < 0);
    if (!this.#left.hidden) this.#left.textContent = left < 0 ? t.bytesOver(-left) : t.bytesLeft(left);
  }
}

/**
 * Safari ends the composition before it reports the Enter that ended it, and marks that key with the old code only.
 *
 * @param {KeyboardEvent} event
 */
function isComposing(event) {
  return event.isComposing || event.keyCode === LEGACY_COMPOSING_KEY;
}
