// @ts-check
// Who the reader is: the name they chose, kept in this browser; the name this tab has; and the uids of all tabs.

import { readStored, readStoredList, writeStored, writeStoredList } from './storage.js';

const WISH_KEY = 'throng.name';
const NAME_KEY = 'throng.name-of-tab';
const UIDS_KEY = 'throng.uids';
const UIDS_KEPT = 64;
const GUEST = /^guest-/i;

export class Identity {
  uid = '';
  name = '';
  #wish = readStored('localStorage', WISH_KEY) ?? '';
  #nameOfTab = readStored('sessionStorage', NAME_KEY) ?? '';
  #uids = new Set(readStoredList('localStorage', UIDS_KEY));

  /** The name the reader chose, or '' if none. */
  get wish() {
    return this.#wish;
  }

  set wish(name) {
    this.#wish = name;
    this.#nameOfTab = '';
    writeStored('localStorage', WISH_KEY, name);
  }

  /** The name to connect with: the one this tab had, so that a guest stays the same person to others. */
  get nameToAskFor() {
    const isSubstitute = this.#wish !== '' && isGuestName(this.#nameOfTab);
    return (isSubstitute ? '' : this.#nameOfTab) || this.#wish;
  }

  /** @param {string} name */
  rename(name) {
    this.name = this.#nameOfTab = name;
    writeStored('sessionStorage', NAME_KEY, name);
  }

  // Each connection has its own uid. They are kept, so that one's own messages stay one's own after a reload and in
  // other tabs.
  /** @param {{ uid: string, name: string }} welcome */
  welcome({ uid, name }) {
    this.uid = uid;
    this.rename(name);
    this.refresh();
    this.#uids.delete(uid);
    this.#uids.add(uid);
    writeStoredList('localStorage', UIDS_KEY, [...this.#uids].slice(-UIDS_KEPT));
  }

  // Another tab may have connected since.
  refresh() {
    for (const uid of readStoredList('localStorage', UIDS_KEY)) this.#uids.add(uid);
  }

  /**
   * Whether a member is this reader, in this tab or another.
   *
   * @param {string} uid
   */
  owns(uid) {
    return this.#uids.has(uid);
  }
}

/**
 * Whether the server gave a name, and nobody chose it.
 *
 * @param {string} name
 */
export function isGuestName(name) {
  return GUEST.test(name);
}
