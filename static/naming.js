// @ts-check
// Gets the reader the name they chose, or the nearest that is free.

import { isGuestName } from './identity.js';

const LAST_SUBSTITUTE = 5;
// An earlier page of this tab may just be about to leave.
const BEFORE_SUBSTITUTE_MS = 500;

/**
 * @typedef {import('./i18n.js').Refusal & { id?: string }} Refused
 * @typedef {{ purpose: 'choice' | 'substitute' | 'reclaim', name: string, number: number, attempt: number }} Request
 *   `choice`: the reader asks for it; `substitute`: for a name that is taken; `reclaim`: it may be free again.
 */

export class Naming {
  #identity;
  #send;
  #onName;
  #onRefusal;
  #onSubstitute;
  #later;
  /** @type {Request[]} What was asked and is not answered yet; answers come in this order. */
  #requests = [];
  /** @type {string | null} */
  #choice = null;
  #askedOnEntry = '';
  /** @type {Refused | null} */
  #refusedOnEntry = null;
  #count = 0;

  /**
   * @param {object} parts
   * @param {import('./identity.js').Identity} parts.identity
   * @param {(frame: object) => boolean} parts.send
   * @param {(name: string, isChoice: boolean) => void} parts.onName the reader has this name now
   * @param {(refused: Refused) => void} parts.onRefusal the name they chose is refused
   * @param {(wish: string, name: string, refused: Refused) => void} parts.onSubstitute they have another name
   * @param {(then: () => void, milliseconds: number) => void} [parts.later]
   */
  constructor({ identity, send, onName, onRefusal, onSubstitute, later = (then, time) => setTimeout(then, time) }) {
    this.#identity = identity;
    this.#send = send;
    this.#onName = onName;
    this.#onRefusal = onRefusal;
    this.#onSubstitute = onSubstitute;
    this.#later = later;
  }

  /** Returns the name to ask for in the address of the next connection; '' for none. */
  nameOnEntry() {
    this.#askedOnEntry = this.#choice ?? this.#identity.nameToAskFor;
    return this.#askedOnEntry;
  }

  // The reader chooses a name. Without a connection it is asked for with the next one.
  /** @param {string} name */
  choose(name) {
    this.#choice = name;
    this.#ask('choice', name);
  }

  /** @param {{ uid: string, name: string }} frame */
  welcome(frame) {
    this.#requests = [];
    this.#refusedOnEntry = null;
    this.#identity.welcome(frame);
    const isChoice = this.#choice !== null && frame.name === this.#choice;
    if (isChoice) this.#keepChoice(frame.name);
    this.#onName(frame.name, isChoice);
  }

  joined() {
    const refused = this.#refusedOnEntry;
    const { wish, name } = this.#identity;
    if (this.#choice !== null) {
      // It was asked for on the way, and refused; or on a connection that ended before the answer.
      if (!refused) return this.#ask('choice', this.#choice);
      this.#choice = null;
      return this.#onRefusal(refused);
    }
    if (wish === '' || wish === name) return;
    if (!refused || isGuestName(this.#askedOnEntry)) return this.#ask('reclaim', wish);
    if (refused.code === 'name_taken') return this.#later(() => this.#substitute(1), BEFORE_SUBSTITUTE_MS);
    this.#identity.wish = '';
    this.#identity.rename(name);
    this.#onSubstitute(wish, name, refused);
  }

  // A name is free that was not.
  /** @param {string} name */
  released(name) {
    if (name === this.#identity.wish && name !== this.#identity.name) this.#ask('reclaim', name);
  }

  // The reader has another name.
  /** @param {string} name */
  renamed(name) {
    const request = this.#requests.shift();
    const isChoice = request?.purpose === 'choice';
    this.#identity.rename(name);
    if (isChoice) this.#keepChoice(name);
    this.#onName(name, isChoice);
    if (request?.purpose === 'substitute' && request.attempt > 1) {
      this.#onSubstitute(this.#identity.wish, name, { code: 'name_taken', message: '' });
    }
  }

  /**
   * Takes what the server says against a name. Returns false if it says it of something else.
   *
   * @param {Refused} refused
   */
  refused(refused) {
    const isAboutName = refused.code === 'bad_name' || refused.code === 'name_taken';
    if (refused.id === undefined) {
      if (isAboutName) this.#refusedOnEntry = refused;
      return isAboutName;
    }
    const request = this.#requests.find(({ number }) => idOf(number) === refused.id);
    if (!request) return false;
    this.#requests.splice(this.#requests.indexOf(request), 1);
    if (request.purpose === 'choice') {
      this.#choice = null;
      this.#onRefusal(refused);
    }
    if (request.purpose === 'substitute') this.#afterRefused(request, refused);
    return true;
  }

  /**
   * @param {Request} request
   * @param {Refused} refused
   */
  #afterRefused(request, refused) {
    const { attempt } = request;
    if (refused.code === 'name_taken' && attempt < LAST_SUBSTITUTE) return this.#substitute(attempt + 1);
    this.#onSubstitute(this.#identity.wish, this.#identity.name, refused);
  }

  /** @param {number} attempt */
  #substitute(attempt) {
    const { wish } = this.#identity;
    this.#ask('substitute', attempt === 1 ? wish : `${wish} ${attempt}`, attempt);
  }

  /** @param {string} name */
  #keepChoice(name) {
    this.#choice = null;
    this.#identity.wish = name;
    this.#identity.rename(name);
  }

  /**
   * @param {Request['purpose']} purpose
   * @param {string} name
   */
  #ask(purpose, name, attempt = 1) {
    const number = ++this.#count;
    if (this.#send({ type: 'nick', name, id: idOf(number) })) this.#requests.push({ purpose, name, number, attempt });
  }
}

/** @param {number} number */
function idOf(number) {
  return `nick-${number}`;
}
