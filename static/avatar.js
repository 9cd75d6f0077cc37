// @ts-check
// What stands for a person: a round mark and a name, in a colour that belongs to the name.

import { isGuestName } from './identity.js';
import { characters } from './text.js';

const HUES = 24;

/** @param {string} name */
export function avatar(name) {
  const mark = document.createElement('span');
  const initials = initialsOf(name);
  mark.className = initials.length > 1 ? 'avatar pair' : 'avatar';
  mark.setAttribute('aria-hidden', 'true');
  mark.textContent = initials.join('');
  mark.style.setProperty('--hue', String(hueOf(name)));
  return mark;
}

/** @param {string} name */
export function nameLabel(name) {
  const label = document.createElement('bdi');
  label.className = 'name';
  label.textContent = name;
  label.style.setProperty('--hue', String(hueOf(name)));
  return label;
}

/**
 * Returns the first character of a name. Guests differ in what follows their common beginning, which takes two.
 *
 * @param {string} name
 */
export function initialsOf(name) {
  const isGuest = isGuestName(name);
  const significant = isGuest ? name.slice(name.indexOf('-') + 1) : name;
  return characters(significant).slice(0, isGuest ? 2 : 1).map((character) => character.toUpperCase());
}

/** @param {string} name */
export function hueOf(name) {
  let hash = 0;
  for (const character of name) hash = Math.imul(hash ^ Number(character.codePointAt(0)), 0x01000193);
  // Names differ in their last characters first, which only the low bits would show.
  hash = Math.imul(hash ^ (hash >>> 15), 0x9e3779b1);
  return ((hash >>> 16) % HUES) * (360 / HUES);
}
