// The line that tells how the connection is, and counts down to the next attempt.

import { formatNumber, t } from './i18n.js';

export class Status {
  #state = document.querySelector('#state');
  #countdown = document.querySelector('#countdown');
  #tryNow = document.querySelector('#try-now');
  #ticking = 0;

  constructor({ onTryNow }) {
    this.#tryNow.addEventListener('click', onTryNow);
  }

  show({ name, until }) {
    clearInterval(this.#ticking);
    document.body.dataset.state = name;
    this.#countdown.textContent = '';
    // Connecting keeps the button, so that it does not vanish under the finger between two attempts.
    this.#tryNow.hidden = name === 'connected' || (name === 'connecting' && this.#tryNow.hidden);
    if (name !== 'waiting') {
      this.#state.textContent = t[name];
      return;
    }
    this.#state.textContent = t.lost;
    this.#tick(until);
    this.#ticking = setInterval(() => this.#tick(until), 1000);
  }

  #tick(until) {
    const seconds = Math.max(1, Math.ceil((until - performance.now()) / 1000));
    this.#countdown.textContent = t.retryIn(formatNumber(seconds));
  }
}
