// @ts-check
// The list of members who are online, and their number.

import { avatar, nameLabel } from './avatar.js';
import { find } from './dom.js';
import { compareNames, formatNumber, t } from './i18n.js';

/** @typedef {{ uid: string, name: string }} Member */

export class People {
  #identity;
  #list = find('#members', HTMLElement);
  #unlisted = find('#unlisted', HTMLElement);
  #counter = find('#online', HTMLElement);
  #count = find('#count', HTMLElement);
  /** @type {Map<string, string>} */
  #members = new Map();
  #isDrawing = false;

  /** @param {import('./identity.js').Identity} identity */
  constructor(identity) {
    this.#identity = identity;
  }

  /** Whether everyone is listed, which the server does not do in a large room. */
  get isListed() {
    return this.#unlisted.hidden;
  }

  /** @param {{ online: number, members?: Member[] }} room */
  replace({ online, members }) {
    const listed = members !== undefined && members.length >= online;
    this.#unlisted.hidden = listed;
    this.#list.hidden = !listed;
    this.#members = new Map(listed ? members.map(({ uid, name }) => [uid, name]) : []);
    this.#show(online);
  }

  /** @param {Member & { online: number }} member */
  add({ uid, name, online }) {
    this.#members.set(uid, name);
    this.#show(online);
  }

  /** @param {{ uid: string, online: number }} member */
  remove({ uid, online }) {
    this.#members.delete(uid);
    this.#show(online);
  }

  /** @param {Member} member */
  rename({ uid, name }) {
    if (this.#members.has(uid)) this.#members.set(uid, name);
    this.#drawLater();
  }

  /** @param {number} online */
  #show(online) {
    this.#counter.textContent = t.online(online);
    this.#count.textContent = formatNumber(online);
    this.#drawLater();
  }

  // Many may come and go at once, and each change would sort and draw all of them.
  #drawLater() {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame(() => {
      this.#isDrawing = false;
      this.#draw();
    });
  }

  #draw() {
    const own = this.#identity.uid;
    const sorted = [...this.#members].sort(
      ([uid, name], [otherUid, otherName]) =>
        Number(otherUid === own) - Number(uid === own) || compareNames(name, otherName),
    );
    this.#list.replaceChildren(...sorted.map(([uid, name]) => memberRow(name, uid === own)));
  }
}

/**
 * @param {string} name
 * @param {boolean} isOwn
 */
function memberRow(name, isOwn) {
  const item = document.createElement('li');
  item.append(avatar(name), nameLabel(name));
  if (!isOwn) return item;
  const badge = document.createElement('span');
  badge.className = 'you';
  badge.textContent = t.you;
  item.append(badge);
  return item;
}
