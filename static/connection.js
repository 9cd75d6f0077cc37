// One WebSocket that is kept alive: it notices a silent line, and comes back after a loss without joining a stampede.

const SUBPROTOCOL = 'throng.v1';
const SILENCE_MS = 30_000;
const ANSWER_MS = 10_000;
const STEADY_MS = 10_000;
const LONGEST_WAIT_MS = 30_000;
const FIRST_WAIT_MS = 1_000;
// Restart and overload hit all clients at the same moment, so they spread over a longer time.
const FIRST_WAIT_AFTER = new Map([[1012, 5_000], [1013, 10_000]]);

export class Connection {
  #address;
  #onFrame;
  #onState;
  #socket = null;
  #deadline = 0;
  #attempt = 0;
  #openedAt = Infinity;

  // `address` is asked before every attempt, since the position to resume from moves on.
  constructor({ address, onFrame, onState }) {
    this.#address = address;
    this.#onFrame = onFrame;
    this.#onState = onState;
    addEventListener('online', () => (this.#isOpen() ? this.#probe() : this.connect()));
    document.addEventListener('visibilitychange', () => {
      // A device that slept may wake with a dead socket that still calls itself open.
      if (!document.hidden && this.#isOpen()) this.#probe();
    });
  }

  connect() {
    this.#abandon();
    const socket = new WebSocket(this.#address(), [SUBPROTOCOL]);
    socket.onopen = () => {
      this.#openedAt = performance.now();
      this.#heard();
      this.#onState({ name: 'connected' });
    };
    socket.onmessage = ({ data }) => {
      this.#heard();
      this.#onFrame(JSON.parse(data));
    };
    socket.onclose = ({ code }) => this.#retryLater(code);
    this.#socket = socket;
    this.#expect(ANSWER_MS, () => this.#retryLater());
    this.#onState({ name: 'connecting' });
  }

  send(frame) {
    if (!this.#isOpen()) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  #isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  // Every state has exactly one deadline, so one timer serves them all.
  #expect(milliseconds, otherwise) {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(otherwise, milliseconds);
  }

  #heard() {
    this.#expect(SILENCE_MS, () => this.#probe());
  }

  #probe() {
    this.send({ type: 'ping' });
    this.#expect(ANSWER_MS, () => this.#retryLater());
  }

  #retryLater(code) {
    this.#abandon();
    if (performance.now() - this.#openedAt > STEADY_MS) this.#attempt = 0;
    this.#openedAt = Infinity;
    const wait = fullJitter(FIRST_WAIT_AFTER.get(code) ?? FIRST_WAIT_MS, this.#attempt++);
    this.#expect(wait, () => this.connect());
    this.#onState({ name: 'waiting', until: performance.now() + wait });
  }

  // Closing a dead socket may take minutes, so nobody waits for its close event.
  #abandon() {
    if (!this.#socket) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }
}

function fullJitter(firstWait, attempt) {
  return Math.random() * Math.min(LONGEST_WAIT_MS, firstWait * 2 ** attempt);
}
