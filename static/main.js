// Joins the parts: frames from the server go to whom they concern, and what the reader does goes to the server.

import { Composer } from './composer.js';
import { Connection } from './connection.js';
import { formatNumber, isolate, t, translate } from './i18n.js';
import { Identity } from './identity.js';
import { Log } from './log.js';
import { People } from './people.js';
import { Status } from './status.js';
import { Timeline } from './timeline.js';

const room = new URLSearchParams(location.search).get('room')?.trim() || 'lobby';
const nameForm = document.querySelector('#name-form');
const nameInput = document.querySelector('#name');
const nameError = document.querySelector('#name-error');
const roomForm = document.querySelector('#room-form');
const roomInput = document.querySelector('#go');
const notice = document.querySelector('#notice');

const identity = new Identity();
const timeline = new Timeline();
const people = new People(identity);
const unconfirmed = new Map();
// Of these the next history tells whether they were said; of all, if it is the first of a connection.
let doubtful = null;
const idPrefix = Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(36)).join('');
let sent = 0;
let unread = 0;
let renaming = false;

const log = new Log({ onJump: () => composer.focus() });
const composer = new Composer({ onSay: say });
const status = new Status({
  onTryNow: () => {
    connection.connect();
    composer.focus();
  },
});
const connection = new Connection({
  address,
  onFrame: (frame) => receive[frame.type]?.(frame),
  onState: (state) => status.show(state),
});

const receive = {
  welcome(frame) {
    doubtful = null;
    identity.welcome(frame);
    composer.limit = frame.limits.text;
    showName();
  },

  joined(frame) {
    people.replace(frame);
    const { restarted, added, missed } = timeline.join(frame);
    if (restarted) log.clear();
    if (missed > 0) note(t.missed(formatNumber(missed)));
    showMessages(added);
    takeBack((doubtful ?? [...unconfirmed.keys()]).filter((id) => unconfirmed.has(id)));
    doubtful = null;
  },

  message(frame) {
    if (timeline.accept(frame)) showMessages([frame]);
  },

  join: (frame) => presence(frame, () => people.add(frame)),

  leave(frame) {
    presence(frame, () => people.remove(frame));
    reclaim(frame.name);
  },

  // Stands in for presence in a room too large to name its members.
  online: (frame) => people.replace({ online: frame.online }),

  who: (frame) => people.replace(frame),

  nick(frame) {
    people.rename(frame);
    if (frame.uid === identity.uid) {
      identity.name = identity.wish = frame.name;
      showName();
    }
    note(t.renamed(isolate(frame.was), isolate(frame.name)));
    reclaim(frame.was);
  },

  // This page read too slowly, and the server left messages out, perhaps own ones.
  gap() {
    if (!timeline.suspend()) return;
    doubtful = [...unconfirmed.keys()];
    connection.send({ type: 'join', room, ...timeline.position });
  },

  error(frame) {
    const text = t.errors[frame.code] ?? frame.message;
    const byName = frame.code === 'bad_name' || frame.code === 'name_taken';
    if (byName && renaming) {
      nameError.textContent = text;
      nameInput.ariaInvalid = 'true';
      return;
    }
    if (unconfirmed.has(frame.id)) takeBack([frame.id]);
    tell(text);
  },
};

// The server tells who came and went again, so the room has become small enough to be listed.
function presence(frame, update) {
  if (people.listed) return update();
  connection.send({ type: 'who', room });
}

// The name of a connection that was lost is held until the server misses it; it is taken up again when it falls free.
function reclaim(name) {
  if (name === identity.wish && name !== identity.name) connection.send({ type: 'nick', name });
}

function address() {
  const { protocol, host } = location;
  const query = new URLSearchParams(timeline.position);
  if (identity.wish) query.set('name', identity.wish);
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/chat/${encodeURIComponent(room)}?${query}`;
}

function say(text) {
  if (!composer.fits(text)) {
    tell(t.errors.text_too_long);
    return false;
  }
  const id = `${idPrefix}-${++sent}`;
  if (!connection.send({ type: 'say', room, text, id })) {
    tell(t.offline);
    return false;
  }
  unconfirmed.set(id, text);
  log.addPending(id, text);
  tell('');
  return true;
}

// What the server has not confirmed goes back to the box, for its writer to decide.
function takeBack(ids) {
  if (ids.length === 0) return;
  composer.restore(ids.map((id) => unconfirmed.get(id)).join('\n'));
  for (const id of ids) settle(id);
  tell(t.returned);
}

function settle(id) {
  if (unconfirmed.delete(id)) log.removePending(id);
}

function showMessages(messages) {
  for (const { uid, id } of messages) if (identity.owns(uid)) settle(id);
  const shown = messages.map((message) => ({ ...message, own: identity.owns(message.uid) }));
  log.append(shown);
  if (document.hidden) unread += shown.filter((message) => !message.own).length;
  showTitle();
}

function note(text) {
  log.append([{ note: text }]);
}

function tell(text) {
  notice.textContent = text;
  notice.hidden = text === '';
}

function showName() {
  renaming = false;
  nameError.textContent = '';
  nameInput.ariaInvalid = 'false';
  nameInput.value = identity.name;
  composer.name = identity.name;
}

function showTitle() {
  document.title = `${unread > 0 ? `(${formatNumber(unread)}) ` : ''}${room} · throng`;
}

nameForm.addEventListener('submit', (event) => {
  event.preventDefault();
  const name = nameInput.value.trim().toWellFormed();
  if (name === '') return;
  if (name === identity.name) return showName();
  renaming = connection.send({ type: 'nick', name });
  // Without a connection the wish goes along with the next one.
  if (!renaming) identity.wish = name;
});

roomForm.addEventListener('submit', (event) => {
  event.preventDefault();
  const name = roomInput.value.trim();
  if (name !== '') location.assign(`/?room=${encodeURIComponent(name.toWellFormed())}`);
});

document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  unread = 0;
  showTitle();
});

document.querySelector('#room').textContent = room;
translate(document);
showTitle();
connection.connect();
