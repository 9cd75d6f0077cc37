// Starts the server under test, and gives the messages of a ws client one after another.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, test as nodeTest } from 'node:test';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';

export const BINARY = process.env.THRONG_BIN ?? fileURLToPath(new URL('../../target/release/throng', import.meta.url));

// A test that waits in vain fails.
export const test = (name, body) => nodeTest(name, { timeout: 30_000 }, body);

// A server for one test file; `at` gives the address of a path on it.
export function server(...flags) {
  let child;
  let origin;

  before(async () => {
    child = spawn(BINARY, ['serve', '--listen', '127.0.0.1:0', ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
    for await (const line of createInterface({ input: child.stderr })) {
      const address = /listening on http:\/\/([\w.:]+)/.exec(line);
      if (address) {
        origin = `ws://${address[1]}`;
        return;
      }
    }
    throw new Error(`${BINARY} ended before it listened`);
  });

  after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });

  return { at: (path) => origin + path };
}

export async function connect(url, subprotocols = [], options = {}) {
  const socket = new WebSocket(url, subprotocols, options);
  const messages = [];
  const waiting = [];
  socket.on('message', (data, isBinary) => {
    const message = isBinary ? data : data.toString();
    const taker = waiting.shift();
    taker ? taker(message) : messages.push(message);
  });
  const [[{ headers, socket: connection }]] = await Promise.all([once(socket, 'upgrade'), once(socket, 'open')]);
  const next = () => (messages.length ? Promise.resolve(messages.shift()) : new Promise((take) => waiting.push(take)));
  return { socket, connection, headers, next, nextJson: async () => JSON.parse(await next()) };
}
