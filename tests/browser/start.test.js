import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { inState, member, message, newRoom, say, servers, shown, visitors } from './support.js';

const visit = visitors();
const start = servers();
let server;
before(async () => (server = await start()));

const address = (room = newRoom()) => `${server.url}/?room=${encodeURIComponent(room)}`;
// The faults of such a page are what the test is about.
const broken = { losesServer: true, awaits: 'failed' };

for (const [what, change] of Object.entries({
  'a language that is none': () => Object.defineProperty(navigator, 'languages', { get: () => ['C'] }),
  'an empty language': () => Object.defineProperty(navigator, 'languages', { get: () => [''] }),
  'a language with a modifier': () => Object.defineProperty(navigator, 'languages', { get: () => ['en-US@posix'] }),
  'no languages': () => Object.defineProperty(navigator, 'languages', { get: () => undefined }),
  'no segmenter of text': () => Reflect.deleteProperty(Intl, 'Segmenter'),
  'no repair of text': () => delete String.prototype.toWellFormed,
  'no popovers': () => delete HTMLElement.prototype.showPopover,
  'damaged storage': () => {
    for (const area of [localStorage, sessionStorage]) {
      for (const key of ['throng.uids', 'throng.unconfirmed:lobby', 'throng.draft:lobby']) area.setItem(key, '{"');
    }
  },
  'storage that throws': () => {
    for (const area of ['localStorage', 'sessionStorage']) {
      Object.defineProperty(window, area, { get: () => { throw new DOMException('forbidden', 'SecurityError'); } });
    }
  },
  'storage that is full': () => {
    Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };
  },
})) {
  test(`a browser with ${what} can chat`, async () => {
    const page = await visit(address(), { prepare: (opened) => opened.addInitScript(change) });
    await page.fill('#name', 'Nobody');
    await page.press('#name', 'Enter');
    await member(page, 'Nobody');
    await say(page, 'still here');
    await message(page, 'still here');
    assert.equal(await page.inputValue('#text'), '');
  });
}

test('what fails while the page starts is said where the reader sees it', async () => {
  const page = await visit(address(), {
    ...broken,
    expects: /page error/,
    prepare: (opened) => opened.addInitScript(() => (window.matchMedia = () => { throw new Error('no media here'); })),
  });
  const failure = page.locator('#failure');
  await failure.getByText('This page could not start.').waitFor();
  await failure.getByText('no media here').waitFor();
});

test('a page whose script cannot run says so after a while', async () => {
  const page = await visit(address(), {
    awaits: null,
    expects: /page error|console/,
    prepare: (opened) =>
      opened.route('**/*', async (route) => {
        const response = await route.fetch();
        const text = await response.text();
        const { 'content-security-policy': _, ...headers } = response.headers();
        await route.fulfill({ response, headers, body: text.replace(/import \{ |const \$modules/, 'no script; ') });
      }),
  });
  await page.locator('#failure').getByText('This page could not start.').waitFor();
});

/** @type {[string, RegExp][]} */
const IMPOSSIBLE_ROOMS = [
  ['r'.repeat(70), /at most 64 bytes/],
  ['a/b', /“\/”/],
  ['..', /“\.\.”/],
  ['a\u202Eb', /direction characters/],
];
for (const [room, reason] of IMPOSSIBLE_ROOMS) {
  test(`the room ${JSON.stringify(room.slice(0, 9))} cannot be, and the page says why and leads to the lobby`, async () => {
    const page = await visit(address(room), { awaits: 'stopped' });
    await page.getByText('This room can’t be opened.').waitFor();
    await page.locator('#impossible-reason').filter({ hasText: reason }).waitFor();
    assert.equal(await page.locator('#text').isVisible(), false);
    assert.equal(await page.getByText('No messages yet').isVisible(), false);
    await page.getByRole('link', { name: 'Go to the lobby' }).click();
    await inState(page, 'connected');
    assert.equal(await page.textContent('#room'), 'lobby');
  });
}

test('the form for rooms refuses what cannot be', async () => {
  const page = await visit(address());
  const error = page.locator('#room-error');
  for (const [room, reason] of [['x'.repeat(65), /at most 64 bytes/], ['a/b', /can’t contain/], ['', /Enter the name/]]) {
    await page.fill('#go', room);
    assert.equal(await error.textContent(), '');
    await page.press('#go', 'Enter');
    await error.filter({ hasText: reason }).waitFor();
  }
  assert.notEqual(await page.textContent('#room'), 'a/b');
});

// A proxy that serves everything under a folder, and tells the server another host than the browser asked for.
async function startProxy({ folder, host = undefined }) {
  const target = (incoming) => {
    const headers = { ...incoming.headers, ...(host && { host }) };
    const path = incoming.url.replace(folder, '/');
    return { host: '127.0.0.1', port: server.port, path, method: incoming.method, headers };
  };
  const proxy = createServer((incoming, outgoing) => {
    if (!incoming.url.startsWith(folder)) return outgoing.writeHead(404).end();
    const forwarded = request(target(incoming), (response) => {
      outgoing.writeHead(response.statusCode, response.headers);
      response.pipe(outgoing);
    });
    incoming.pipe(forwarded);
  });
  const sockets = new Set();
  proxy.on('upgrade', (incoming, socket) => {
    const forwarded = request(target(incoming)).end();
    forwarded.on('response', (response) => {
      socket.end(`HTTP/1.1 ${response.statusCode} ${response.statusMessage}\r\nConnection: close\r\n\r\n`);
    });
    forwarded.on('upgrade', (response, upstream, head) => {
      sockets.add(socket.on('error', () => {})).add(upstream.on('error', () => {}));
      const lines = Object.entries(response.headers).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`);
      socket.write(head);
      socket.pipe(upstream).pipe(socket);
    });
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  after(() => {
    for (const socket of sockets) socket.destroy();
    proxy.closeAllConnections();
    proxy.close();
  });
  return `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (proxy.address()).port}${folder}`;
}

test('the page works in a folder of a proxy, room changes included', async () => {
  const url = await startProxy({ folder: '/tools/throng/' });
  const room = newRoom();
  const [ada, bo] = [await visit(`${url}?room=${room}`, { name: 'Ada' }), await visit(url, { name: 'Bo' })];
  await bo.fill('#go', room);
  await bo.press('#go', 'Enter');
  await member(ada, 'Bo');
  await say(bo, 'through the proxy');
  await shown(ada, ['through the proxy']);
  assert.equal(bo.url(), `${url}?room=${room}`);
  assert.ok(await ada.locator('.brand img').evaluate((icon) => icon.naturalWidth > 0));
});

test('behind a proxy that does not pass the host on, the page says what to look at', async () => {
  const url = await startProxy({ folder: '/', host: 'backend.internal' });
  const page = await visit(url, { losesServer: true, awaits: 'waiting' });
  await page.locator('#state').filter({ hasText: 'Cannot connect' }).waitFor();
  await page.getByText('the proxy must pass on WebSocket connections and the Host header').waitFor();
});
