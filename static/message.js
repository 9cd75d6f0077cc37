// @ts-check
// The elements of the conversation. Whatever a person wrote enters them as text, never as markup.

import { avatar, nameLabel } from './avatar.js';
import { formatMoment, formatTime, t } from './i18n.js';

// Shorter texts have fewer lines than a folded one, on any screen.
const FOLDED_LENGTH = 250;
const FOLDED_LINES = 20;

/**
 * @param {{ name: string, text: string }} message
 * @param {{ date: Date, isOwn: boolean, follows: boolean }} place
 */
export function messageRow({ name, text }, { date, isOwn, follows }) {
  const item = document.createElement('li');
  item.className = isOwn ? 'own' : 'other';
  item.classList.toggle('follow', follows);
  item.append(avatar(name), heading(name, date), bubble(text));
  return item;
}

/**
 * @param {'day' | 'note' | 'divider'} kind
 * @param {string} text
 */
export function lineRow(kind, text) {
  const item = document.createElement('li');
  item.className = kind;
  item.textContent = text;
  return item;
}

/** @param {string} text */
export function bubble(text) {
  const box = document.createElement('div');
  box.className = 'bubble';
  const body = document.createElement('p');
  body.dir = 'auto';
  body.textContent = text;
  const mayBeLong = text.length > FOLDED_LENGTH || text.split('\n', FOLDED_LINES + 1).length > FOLDED_LINES;
  body.classList.toggle('folded', mayBeLong);
  box.append(body);
  return box;
}

/**
 * Gives the texts that are too long a button that unfolds them. The rows have to be on the page, since only there it
 * shows how long they are.
 *
 * @param {Element[]} rows
 */
export function addToggles(rows) {
  const bodies = rows.flatMap((row) => [...row.querySelectorAll('p.folded')]);
  const isLong = bodies.map((body) => body.scrollHeight > body.clientHeight + 1);
  bodies.forEach((body, index) => {
    if (isLong[index]) body.after(toggle(body));
    else body.classList.remove('folded');
  });
}

/** @param {Element} body */
function toggle(body) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'more';
  const show = (/** @type {boolean} */ isWhole) => {
    body.classList.toggle('folded', !isWhole);
    button.setAttribute('aria-expanded', String(isWhole));
    button.textContent = isWhole ? t.showLess : t.showMore;
  };
  button.addEventListener('click', () => show(body.classList.contains('folded')));
  // The browser has found a word in the part that is folded away, and scrolls to it.
  body.addEventListener('scroll', () => {
    if (body.scrollTop > 0) show(true);
  });
  show(false);
  return button;
}

/**
 * @param {string} name
 * @param {Date} date
 */
function heading(name, date) {
  const line = document.createElement('div');
  line.className = 'by';
  const time = document.createElement('time');
  time.dateTime = date.toISOString();
  time.textContent = formatTime(date);
  time.title = formatMoment(date);
  line.append(nameLabel(name), ' ', time);
  return line;
}
