// @ts-check
// One WebSocket that is kept alive: it notices a silent line, and reconnects after a loss without joining a stampede.

import { Backoff } from './backoff.js';

const SUBPROTOCOL = 'throng.v1';
const SILENCE_MS = 30_000;
const PATIENCE_MS = 3_000;
const ANSWER_MS = 10_000;
const STEADY_MS = 10_000;
const BETWEEN_ATTEMPTS_MS = 1_000;
// All devices of a network hear at the same moment that it is back.
const NETWORK_BACK_MS = 2_000;
// Firefox holds back WebSockets to a host where one has failed, each time longer. It does not hold back requests.
const HOLDS_BACK_SOCKETS = globalThis.navigator?.userAgent.includes('Firefox/');

/**
 * @typedef {'connecting' | 'connected' | 'checking' | 'waiting' | 'stopped'} State `connected`: the room is joined;
 *   `checking`: an answer is overdue; `waiting`: for the next attempt.
 * @typedef {{ name: State, until: number, hasConnected: boolean }} Report
 */

export class Connection {
  #address;
  #onFrame;
  #onState;
  #backoff = new Backoff();
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {State} */
  #state = 'stopped';
  #until = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #deadline;
  #attempt = 0;
  #attemptedAt = -Infinity;
  #connectedAt = Infinity;
  #hasConnected = false;
  #hasFailed = false;
  #isPaused = false;

  /**
   * @param {object} parts
   * @param {() => string} parts.address called before every attempt, since the position to resume from moves on
   * @param {(frame: any) => void} parts.onFrame
   * @param {(report: Report) => void} parts.onState
   */
  constructor({ address, onFrame, onState }) {
    this.#address = address;
    this.#onFrame = onFrame;
    this.#onState = onState;
    addEventListener('online', () => this.#networkIsBack());
    addEventListener('offline', () => this.check());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.#wakeUp();
    });
    // A page that the browser keeps for a return would otherwise keep its place in the room.
    addEventListener('pagehide', () => this.#leavePage());
    addEventListener('pageshow', () => this.#returnToPage());
  }

  /** Whether the room is joined, and the server answers as far as is known. */
  get isConnected() {
    return this.#state === 'connected';
  }

  connect() {
    this.#abandon();
    this.#isPaused = false;
    const attempt = ++this.#attempt;
    this.#attemptedAt = performance.now();
    this.#expect(ANSWER_MS, () => this.#lose());
    this.#enter('connecting');
    if (!this.#hasFailed || !HOLDS_BACK_SOCKETS) return this.#open();
    const ifCurrent = (/** @type {() => void} */ then) => () => {
      if (attempt === this.#attempt && this.#state === 'connecting') then();
    };
    fetch('healthz', { cache: 'no-store' }).then(
      ifCurrent(() => this.#open()),
      ifCurrent(() => this.#lose()),
    );
  }

  // Someone would like to be connected now: the next attempt is made without more delay.
  hurry() {
    if (this.#state !== 'waiting') return;
    const wait = BETWEEN_ATTEMPTS_MS - (performance.now() - this.#attemptedAt);
    if (wait <= 0) return this.connect();
    this.#waitFor(wait);
  }

  // The room has been joined.
  joined() {
    this.#connectedAt = performance.now();
    this.#hasConnected = true;
    this.#hasFailed = false;
    this.#enter('connected');
  }

  // An answer is overdue, or the network is said to be gone.
  check() {
    if (this.#state !== 'connected') return this.#enter(this.#state);
    this.#ping();
    this.#doubt(ANSWER_MS - PATIENCE_MS);
  }

  // Gives up, as after code 1013.
  giveUp() {
    this.#lose(1013);
  }

  stop() {
    this.#abandon();
    clearTimeout(this.#deadline);
    this.#enter('stopped');
  }

  /**
   * Returns whether the frame is on its way.
   *
   * @param {object} frame
   */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  #open() {
    try {
      const socket = new WebSocket(this.#address(), [SUBPROTOCOL]);
      socket.onmessage = ({ data }) => this.#receive(data);
      socket.onclose = ({ code }) => this.#lose(code);
      this.#socket = socket;
    } catch {
      // What cannot be opened at all is answered like what did not open.
      this.#lose();
    }
  }

  /** @param {unknown} data */
  #receive(data) {
    this.#expect(SILENCE_MS, () => this.#probe());
    if (this.#state === 'checking') this.#enter('connected');
    const frame = parse(data);
    if (frame) this.#onFrame(frame);
  }

  // Nothing was heard for a while, which is common in a quiet room: only if nothing answers now is it a fault.
  #probe() {
    this.#ping();
    this.#expect(PATIENCE_MS, () => this.#doubt(ANSWER_MS - PATIENCE_MS));
  }

  /** @param {number} patience */
  #doubt(patience) {
    this.#expect(patience, () => this.#lose());
    if (this.#state === 'connected') this.#enter('checking');
  }

  #ping() {
    this.send({ type: 'ping' });
  }

  #networkIsBack() {
    if (this.#state === 'connected') return this.#probe();
    if (this.#state === 'waiting') return this.#waitFor(Math.random() * NETWORK_BACK_MS);
    this.#enter(this.#state);
  }

  // A device that slept may wake with a dead socket that still calls itself open.
  #wakeUp() {
    if (this.#state === 'connected') this.#probe();
    else this.hurry();
  }

  #leavePage() {
    if (this.#state === 'stopped') return;
    this.stop();
    this.#isPaused = true;
  }

  #returnToPage() {
    if (this.#isPaused) this.connect();
  }

  /** @param {number} [code] */
  #lose(code) {
    this.#abandon();
    if (performance.now() - this.#connectedAt > STEADY_MS) this.#backoff.reset();
    this.#connectedAt = Infinity;
    this.#hasFailed = true;
    this.#waitFor(this.#backoff.next(code));
  }

  /** @param {number} wait */
  #waitFor(wait) {
    this.#expect(wait, () => this.connect());
    this.#enter('waiting', performance.now() + wait);
  }

  /**
   * Every state has at most one deadline, so one timer serves them all.
   *
   * @param {number} milliseconds
   * @param {() => void} otherwise
   */
  #expect(milliseconds, otherwise) {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(otherwise, milliseconds);
  }

  /**
   * @param {State} name
   * @param {number} until
   */
  #enter(name, until = this.#until) {
    this.#state = name;
    this.#until = until;
    this.#onState({ name, until, hasConnected: this.#hasConnected });
  }

  // Closing a dead socket may take minutes, so nobody waits for its close event.
  #abandon() {
    if (!this.#socket) return;
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }
}

/** @param {unknown} data */
function parse(data) {
  try {
    return JSON.parse(String(data));
  } catch {
    return null;
  }
}
