// @ts-check
// The texts that are not confirmed yet, below the conversation, with what has become of each.

import { find } from './dom.js';
import { t } from './i18n.js';
import { addToggles, bubble } from './message.js';

/**
 * @typedef {import('./outbox.js').Item} Item
 * @typedef {{ onSendAgain: (item: Item) => void, onEdit: (item: Item) => void, onDiscard: (item: Item) => void }} Actions
 */

export class Pending {
  #list = find('#pending', HTMLElement);
  #actions;
  /** @type {Map<string, { row: HTMLElement, note: HTMLElement, key: string }>} */
  #shown = new Map();

  /** @param {Actions} actions */
  constructor(actions) {
    this.#actions = actions;
  }

  /**
   * @param {readonly Item[]} items
   * @param {boolean} isConnected
   */
  show(items, isConnected) {
    const ids = new Set(items.map(({ id }) => id));
    for (const [id, { row }] of this.#shown) {
      if (ids.has(id)) continue;
      row.remove();
      this.#shown.delete(id);
    }
    for (const item of items) this.#showItem(item, isConnected);
    document.body.classList.toggle('has-pending', items.length > 0);
  }

  /**
   * @param {Item} item
   * @param {boolean} isConnected
   */
  #showItem(item, isConnected) {
    const shown = this.#shown.get(item.id) ?? this.#add(item);
    const isOnTheWay = item.state === 'queued' || item.state === 'sent';
    const key = isOnTheWay ? String(isConnected) : `${item.state} ${item.reason}`;
    if (shown.key === key) return;
    shown.key = key;
    shown.row.className = isOnTheWay ? 'own pending' : 'own pending failed';
    // A text that is on its way says so only if it takes long, which the style sheet decides.
    shown.note.className = isOnTheWay && isConnected ? 'fate late' : 'fate';
    if (isOnTheWay) shown.note.replaceChildren(isConnected ? t.sending : t.waiting);
    else shown.note.replaceChildren(fateOf(item), ...this.#buttons(item));
  }

  /** @param {Item} item */
  #add(item) {
    const row = document.createElement('li');
    const note = document.createElement('p');
    row.append(bubble(item.text), note);
    this.#list.append(row);
    addToggles([row]);
    const shown = { row, note, key: '' };
    this.#shown.set(item.id, shown);
    return shown;
  }

  /** @param {Item} item */
  #buttons(item) {
    return [
      button(t.sendAgain, () => this.#actions.onSendAgain(item)),
      button(t.edit, () => this.#actions.onEdit(item)),
      button(t.discard, () => this.#actions.onDiscard(item)),
    ];
  }
}

/** @param {Item} item */
function fateOf({ state, reason }) {
  return state === 'unknown' ? t.unknown : t.notSent(reason);
}

/**
 * @param {string} text
 * @param {() => void} onClick
 */
function button(text, onClick) {
  const made = document.createElement('button');
  made.type = 'button';
  made.textContent = text;
  made.addEventListener('click', onClick);
  return made;
}
