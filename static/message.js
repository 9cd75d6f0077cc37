// The elements the conversation is made of. Whatever a person wrote enters them as text, never as markup.

import { formatMoment, formatTime, t } from './i18n.js';
import { avatar, nameLabel } from './people.js';

const EXCERPT_LENGTH = 300;
const EXCERPT_LINES = 8;

export function messageRow({ name, text, at, own, follows }) {
  const item = document.createElement('li');
  item.className = own ? 'own' : 'other';
  item.classList.toggle('follow', follows);
  const time = document.createElement('time');
  time.dateTime = at.toISOString();
  time.textContent = formatTime(at);
  time.title = formatMoment(at);
  item.append(avatar(name), nameLabel(name), bubble(text, time));
  return item;
}

export function pendingRow(id, text) {
  const item = document.createElement('li');
  item.className = 'own pending';
  item.dataset.id = id;
  item.append(bubble(text));
  return item;
}

export function line(kind, text) {
  const item = document.createElement('li');
  item.className = kind;
  item.textContent = text;
  return item;
}

function bubble(text, ...rest) {
  const box = document.createElement('div');
  box.className = 'bubble';
  const body = document.createElement('p');
  body.dir = 'auto';
  const excerpt = excerptOf(text);
  body.textContent = excerpt;
  box.append(body);
  if (excerpt !== text) box.append(toggle(body, excerpt, text));
  box.append(...rest);
  return box;
}

function toggle(body, excerpt, text) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'more';
  const show = (whole) => {
    body.textContent = whole ? text : excerpt;
    button.ariaExpanded = String(whole);
    button.textContent = whole ? t.showLess : t.showMore;
  };
  button.addEventListener('click', () => show(button.ariaExpanded === 'false'));
  show(false);
  return button;
}

function excerptOf(text) {
  const lines = text.split('\n', EXCERPT_LINES + 1);
  const start = lines.slice(0, EXCERPT_LINES).join('\n').slice(0, EXCERPT_LENGTH);
  if (start === text) return text;
  return `${start.replace(/[\uD800-\uDBFF]$/, '').trimEnd()}…`;
}
