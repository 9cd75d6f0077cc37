// @ts-check
// Builds the page from its parts.

import { pageStarted } from './failure.js';
import { socketAddress } from './address.js';
import { Chat } from './chat.js';
import { Composer } from './composer.js';
import { Connection } from './connection.js';
import { find } from './dom.js';
import { explain, t, translate } from './i18n.js';
import { Identity } from './identity.js';
import { Log } from './log.js';
import { NameForm } from './name-form.js';
import { Naming } from './naming.js';
import { Notice } from './notice.js';
import { Pending } from './pending.js';
import { People } from './people.js';
import { RoomForm } from './room-form.js';
import { brokenRoomRule, roomOf } from './room-name.js';
import { Sender } from './sender.js';
import { Sheet } from './sheet.js';
import { Status } from './status.js';
import { isolate, wellFormed } from './text.js';
import { Timeline } from './timeline.js';
import { Title } from './title.js';

translate(document);

const room = wellFormed(roomOf(location.search));
const identity = new Identity();
const timeline = new Timeline();
const people = new People(identity);
const notice = new Notice();
const roomForm = new RoomForm();
const title = new Title(room);
const log = new Log({ onJump: () => composer.focus() });

const composer = new Composer({
  room,
  onSay: (text) => {
    notice.show(composer.fits(text) ? '' : t.errors.text_too_long);
    if (!composer.fits(text)) return false;
    sender.say(text);
    log.jump();
    connection.hurry();
    return true;
  },
  onInput: () => notice.clear(),
  onActivity: () => connection.hurry(),
  onTurnPage: (direction) => log.turnPage(direction),
});

const status = new Status({
  onTryNow: () => {
    connection.connect();
    composer.focus();
  },
});

/** @type {Connection} */
const connection = new Connection({
  address: () => {
    const name = naming.nameOnEntry();
    return socketAddress(document.baseURI, room, { ...timeline.position, ...(name && { name }) });
  },
  onFrame: (frame) => chat.receive(frame),
  onState: (report) => {
    status.show(report);
    sender.flush();
  },
});

const nameForm = new NameForm({ onChoose: (name) => naming.choose(name) });

/** @type {Naming} */
const naming = new Naming({
  identity,
  send: (frame) => connection.send(frame),
  onName: (name, isChoice) => {
    nameForm.show(name, isChoice);
    composer.name = name;
  },
  onRefusal: (refused) => nameForm.fail(explain(refused)),
  onSubstitute: (wish, name, refused) => {
    const isTaken = refused.code === 'name_taken';
    const [wished, given] = [isolate(wish), isolate(name)];
    notice.show(isTaken ? t.nameInUse(wished, given) : t.nameRefused(wished, given, explain(refused)));
  },
});

const pending = new Pending({
  onSendAgain: (item) => sender.sendAgain(item),
  onEdit: ({ id, text }) => {
    sender.remove(id);
    composer.edit(text);
  },
  onDiscard: ({ id }) => {
    sender.remove(id);
    composer.focus();
  },
});

const sender = new Sender({
  room,
  connection,
  position: () => {
    const { epoch, offset, isSuspended } = timeline;
    return epoch === null || isSuspended ? null : { uid: identity.uid, epoch, offset };
  },
  onChange: (items) => pending.show(items, connection.isConnected),
});

const chat = new Chat({
  room, composer, connection, identity, log, naming, notice, people, roomForm, sender, timeline, title,
  onImpossibleRoom: showImpossible,
});

/** @param {string} reason */
function showImpossible(reason) {
  connection.stop();
  composer.close();
  find('#impossible-reason', HTMLElement).textContent = reason;
  document.body.classList.add('impossible');
}

new Sheet();
addEventListener('storage', () => identity.refresh());
find('#room', HTMLElement).textContent = room;
const brokenRule = brokenRoomRule(room, 0);
if (brokenRule) showImpossible(t.rules.room[brokenRule](0));
else connection.connect();
pageStarted();
