// The client that the README shows, as it is printed there.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { connect, server, test } from './support.js';

const { at } = server();

test('the client of the README reads the history, speaks and shows what is said', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const [, client] = /```js\n(.*?)```/s.exec(readme);
  assert.ok(client.trimEnd().split('\n').length <= 10, 'ten lines');
  const address = at('');
  const code = client.replace('ws://127.0.0.1:8080', address);
  assert.notEqual(code, client);

  const earlier = await connect(at('/chat?format=lines&name=Bob'));
  assert.equal(await earlier.next(), 'Welcome Bob !');
  earlier.socket.send('said before');
  assert.match(await earlier.next(), /Bob say: said before$/);

  // Node 20 and 21 have WebSocket behind a flag.
  const flags = typeof globalThis.WebSocket === 'undefined' ? ['--experimental-websocket'] : [];
  const child = spawn(process.execPath, [...flags, '--no-warnings', '--input-type=module', '--eval', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, 'Bob: said before');
  assert.equal((await lines.next()).value, 'Ada: Hello from JavaScript');
  earlier.socket.send('welcome');
  assert.equal((await lines.next()).value, 'Bob: welcome');
  child.kill();
  await once(child, 'exit');
  earlier.socket.terminate();
});
