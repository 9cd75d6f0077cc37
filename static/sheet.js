// @ts-check
// People and rooms: a column where there is space for two, and a dialog where there is not.

import { find } from './dom.js';

const WIDE = '(min-width: 52rem) and (min-height: 30rem)';

export class Sheet {
  #dialog = find('#sheet', HTMLDialogElement);
  #side = find('#side', HTMLElement);

  constructor() {
    find('#open-side', HTMLElement).addEventListener('click', () => this.#open());
    find('#close-side', HTMLElement).addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('close', () => document.body.append(this.#side));
    // Only the backdrop is the dialog itself.
    this.#dialog.addEventListener('click', ({ target }) => {
      if (target === this.#dialog) this.#dialog.close();
    });
    matchMedia(WIDE).addEventListener('change', ({ matches }) => {
      if (matches) this.#dialog.close();
    });
  }

  #open() {
    this.#dialog.append(this.#side);
    this.#dialog.showModal();
  }
}
