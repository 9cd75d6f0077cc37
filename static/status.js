// @ts-check
// The line that says how the connection is, and counts down to the next attempt.

import { find } from './dom.js';
import { t } from './i18n.js';

const SECOND_MS = 1000;

export class Status {
  #text = find('#state', HTMLElement);
  #countdown = find('#countdown', HTMLElement);
  #tryNow = find('#try-now', HTMLElement);
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticking;

  /** @param {{ onTryNow: () => void }} parts */
  constructor({ onTryNow }) {
    this.#tryNow.addEventListener('click', onTryNow);
  }

  /** @param {import('./connection.js').Report} report */
  show({ name, until, hasConnected }) {
    clearInterval(this.#ticking);
    document.body.dataset.state = name;
    document.body.classList.toggle('never-connected', !hasConnected);
    // While connecting the button stays, so that it does not vanish under the finger between two attempts.
    this.#tryNow.hidden = name !== 'waiting' && (name !== 'connecting' || this.#tryNow.hidden);
    this.#write(textFor(name, hasConnected));
    this.#countdown.textContent = '';
    if (name !== 'waiting') return;
    this.#tick(until);
    this.#ticking = setInterval(() => this.#tick(until), SECOND_MS);
  }

  // A status that says the same again would be announced again.
  /** @param {string} text */
  #write(text) {
    if (this.#text.textContent !== text) this.#text.textContent = text;
  }

  /** @param {number} until */
  #tick(until) {
    const seconds = Math.max(1, Math.ceil((until - performance.now()) / SECOND_MS));
    this.#countdown.textContent = t.retryIn(seconds);
  }
}

/**
 * @param {import('./connection.js').State} name
 * @param {boolean} hasConnected
 */
function textFor(name, hasConnected) {
  if (name !== 'waiting' && name !== 'checking') return t[name];
  if (!navigator.onLine) return t.offline;
  if (name === 'checking') return t.checking;
  return hasConnected ? t.lost : t.unreachable;
}
