// @ts-check
// The conversation with the server in one room: takes each frame to the parts of the page that it concerns.

import { explain, t } from './i18n.js';
import { isolate } from './text.js';

const PRESENCE_LIMIT = 100;

/**
 * @typedef {any} Frame
 * @typedef {import('./timeline.js').Message} Message
 * @typedef {import('./timeline.js').Part & { online: number, members?: { uid: string, name: string }[] }} Joined
 *
 * @typedef {object} Parts
 * @property {string} room
 * @property {import('./composer.js').Composer} composer
 * @property {import('./connection.js').Connection} connection
 * @property {import('./identity.js').Identity} identity
 * @property {import('./log.js').Log} log
 * @property {import('./naming.js').Naming} naming
 * @property {import('./notice.js').Notice} notice
 * @property {import('./people.js').People} people
 * @property {import('./room-form.js').RoomForm} roomForm
 * @property {import('./sender.js').Sender} sender
 * @property {import('./timeline.js').Timeline} timeline
 * @property {import('./title.js').Title} title
 * @property {(reason: string) => void} onImpossibleRoom
 */

export class Chat {
  #parts;
  #presenceLimit = PRESENCE_LIMIT;
  #hasAskedWho = false;
  /** @type {Map<string, (frame: Frame) => void>} */
  #receivers = new Map([
    ['welcome', (frame) => this.#welcome(frame)],
    ['joined', (frame) => this.#joined(frame)],
    ['message', (frame) => this.#message(frame)],
    ['join', (frame) => this.#presence(frame, () => this.#parts.people.add(frame))],
    ['leave', (frame) => this.#leave(frame)],
    ['online', (frame) => this.#online(frame)],
    ['who', (frame) => this.#who(frame)],
    ['nick', (frame) => this.#nick(frame)],
    ['gap', () => this.#rejoin()],
    ['pong', () => this.#pong()],
    ['error', (frame) => this.#error(frame)],
  ]);

  /** @param {Parts} parts */
  constructor(parts) {
    this.#parts = parts;
  }

  /** @param {Frame} frame */
  receive(frame) {
    this.#receivers.get(frame.type)?.(frame);
  }

  /** @param {Frame} frame */
  #welcome(frame) {
    const { composer, naming, roomForm } = this.#parts;
    composer.limit = frame.limits.text;
    roomForm.limit = frame.limits.room;
    this.#presenceLimit = frame.limits.presence ?? PRESENCE_LIMIT;
    naming.welcome(frame);
  }

  /** @param {Joined} frame */
  #joined(frame) {
    const { connection, identity, log, naming, notice, room, sender, timeline } = this.#parts;
    const known = { epoch: timeline.epoch, offset: timeline.offset };
    const { restarted, added } = timeline.join(frame);
    if (restarted && !log.isEmpty) log.append([{ kind: 'divider', text: t.restarted }]);
    this.#show(added);
    sender.observe({ ...frame, offset: timeline.offset }, known);
    this.#listMembers(frame);
    if (timeline.isSuspended) return connection.send({ type: 'join', room, ...timeline.position });
    if (!connection.isConnected) {
      notice.clear();
      connection.joined();
      naming.joined();
    }
    sender.settle(identity.uid, frame.members);
  }

  /** @param {Message} frame */
  #message(frame) {
    if (this.#parts.timeline.accept(frame)) this.#show([frame]);
  }

  /** @param {Frame} frame */
  #leave(frame) {
    const { naming, people, sender } = this.#parts;
    this.#presence(frame, () => people.remove(frame));
    sender.settleConnection(frame.uid);
    naming.released(frame.name);
  }

  // Stands in for presence in a room that is too large to list its members.
  /** @param {Frame} frame */
  #online(frame) {
    this.#parts.people.replace({ online: frame.online });
    if (frame.online <= this.#presenceLimit) this.#askWho();
  }

  /** @param {Frame} frame */
  #who(frame) {
    this.#hasAskedWho = false;
    this.#listMembers(frame);
  }

  /** @param {Frame} frame */
  #nick(frame) {
    const { identity, log, naming, people } = this.#parts;
    people.rename(frame);
    if (frame.uid === identity.uid) naming.renamed(frame.name);
    log.append([{ kind: 'note', text: t.renamed(isolate(frame.was), isolate(frame.name)) }]);
    naming.released(frame.was);
  }

  #pong() {
    // The server has handled all that was sent before the ping, so an answer that is missing was left out.
    if (this.#parts.sender.isOverdue) this.#rejoin();
  }

  // The server left messages out, since this page read too slowly.
  #rejoin() {
    const { connection, room, sender, timeline } = this.#parts;
    if (timeline.isSuspended || timeline.epoch === null) return;
    timeline.suspend();
    sender.ask();
    connection.send({ type: 'join', room, ...timeline.position });
  }

  /** @param {Frame} frame */
  #error(frame) {
    const { connection, naming, notice, onImpossibleRoom, sender } = this.#parts;
    if (naming.refused(frame)) return;
    if (!connection.isConnected && frame.code === 'bad_room') return onImpossibleRoom(explain(frame));
    if (!connection.isConnected && frame.code === 'rooms_full') connection.giveUp();
    const isTooFast = frame.code === 'rate_limited' && sender.tooFast(frame.id);
    if (isTooFast || !sender.refused(frame.id, explain(frame))) notice.show(isTooFast ? t.tooFast : explain(frame));
  }

  // Who comes and goes is reported again, so the room has become small enough to be listed.
  /**
   * @param {Frame} frame
   * @param {() => void} update
   */
  #presence(frame, update) {
    if (this.#parts.people.isListed) return update();
    this.#parts.people.replace({ online: frame.online });
    this.#askWho();
  }

  #askWho() {
    const { connection, room } = this.#parts;
    if (!this.#hasAskedWho) this.#hasAskedWho = connection.send({ type: 'who', room });
  }

  /** @param {{ online: number, members?: { uid: string, name: string }[] }} frame */
  #listMembers(frame) {
    this.#parts.people.replace(frame);
  }

  /** @param {(Message | { missing: number })[]} added */
  #show(added) {
    const { identity, log, sender, title } = this.#parts;
    let others = 0;
    for (const entry of added) {
      if ('missing' in entry) {
        log.append([{ kind: 'note', text: t.missed(entry.missing) }]);
        continue;
      }
      const isOwn = identity.owns(entry.uid);
      if (isOwn) sender.remove(entry.id);
      else others += 1;
      log.append([{ kind: 'message', message: entry, isOwn }]);
    }
    title.count(others);
  }
}
