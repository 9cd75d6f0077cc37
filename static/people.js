// The list of who is here, and their number.

import { formatNumber, t } from './i18n.js';

const HUES = 24;
const graphemes = new Intl.Segmenter();

export class People {
  #identity;
  #list = document.querySelector('#members');
  #unlisted = document.querySelector('#unlisted');
  #counters = document.querySelectorAll('.online');
  #members = new Map();

  constructor(identity) {
    this.#identity = identity;
  }

  // False in a room too large for the server to name everyone.
  get listed() {
    return this.#unlisted.hidden;
  }

  replace({ online, members }) {
    this.#unlisted.hidden = members !== undefined;
    this.#members = new Map(members?.map(({ uid, name }) => [uid, name]));
    this.#show(online);
  }

  add({ uid, name, online }) {
    this.#members.set(uid, name);
    this.#show(online);
  }

  remove({ uid, online }) {
    this.#members.delete(uid);
    this.#show(online);
  }

  rename({ uid, name }) {
    if (!this.#members.has(uid)) return;
    this.#members.set(uid, name);
    this.#showMembers();
  }

  #show(online) {
    for (const counter of this.#counters) counter.textContent = t.online(formatNumber(online));
    this.#showMembers();
  }

  #showMembers() {
    if (!this.listed) return this.#list.replaceChildren();
    const own = this.#identity.uid;
    const sorted = [...this.#members].sort(
      ([uid, name], [otherUid, otherName]) => (otherUid === own) - (uid === own) || name.localeCompare(otherName),
    );
    this.#list.replaceChildren(...sorted.map(([uid, name]) => row(name, uid === own)));
  }
}

// A round mark with the first character of the name, in a colour that belongs to the name.
export function avatar(name) {
  const mark = document.createElement('span');
  mark.className = 'avatar';
  mark.ariaHidden = 'true';
  mark.textContent = [...graphemes.segment(name)][0]?.segment.toUpperCase() ?? '';
  mark.style.setProperty('--hue', hue(name));
  return mark;
}

export function nameLabel(name) {
  const label = document.createElement('bdi');
  label.className = 'name';
  label.textContent = name;
  label.style.setProperty('--hue', hue(name));
  return label;
}

function hue(name) {
  let hash = 0;
  for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193);
  // Names differ in their last characters first, which only the low bits would show.
  hash = Math.imul(hash ^ (hash >>> 15), 0x9e3779b1);
  return ((hash >>> 16) % HUES) * (360 / HUES);
}

function row(name, own) {
  const item = document.createElement('li');
  item.append(avatar(name), nameLabel(name));
  if (!own) return item;
  const badge = document.createElement('span');
  badge.className = 'you';
  badge.textContent = t.you;
  item.append(badge);
  return item;
}
