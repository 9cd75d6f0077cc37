// What a visit costs: requests, bytes and connections; and a page that does not live at the root.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { newRoom, startServer, visitors } from './support.js';

const visit = visitors();
let server;
before(async () => (server = await startServer()));
after(() => server.kill());

test('a cold visit is one compressed request besides the WebSocket, and a warm one loads the head only', async (context) => {
  const loaded = [];
  const prepare = async (page) => {
    const network = await page.context().newCDPSession(page);
    await network.send('Network.enable');
    const begun = new Map();
    network.on('Network.responseReceived', ({ requestId, response }) => begun.set(requestId, response));
    network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      const { url, headers } = begun.get(requestId);
      if (!url.startsWith('data:')) loaded.push({ url, headers, bytes: encodedDataLength });
    });
  };
  const address = `${server.url}/?room=${newRoom()}`;
  const page = await visit(address, { prepare });
  await page.waitForLoadState('networkidle');
  assert.deepEqual(loaded.map(({ url }) => url), [address]);
  const [{ headers, bytes }] = loaded;
  assert.equal(headers['Content-Encoding'], 'gzip');
  assert.ok(bytes < 40_000, `${bytes} bytes`);
  context.diagnostic(`cold: 1 request, ${bytes} bytes`);

  loaded.length = 0;
  await page.reload();
  await page.waitForSelector('[data-state="connected"]');
  await page.waitForLoadState('networkidle');
  // Chromium reports what it has stored as the answer, but counts the bytes of the 304.
  assert.deepEqual(loaded.map(({ url }) => url), [address]);
  assert.ok(loaded[0].bytes < 1_000, `${loaded[0].bytes} bytes`);
  context.diagnostic(`warm: 1 request, ${loaded[0].bytes} bytes`);
});

test('the page works under a path that a proxy strips', async () => {
  const { hostname, port } = new URL(server.url);
  const below = (target) => target.replace(/^\/throng\//, '/');
  const proxy = createServer((incoming, outgoing) => {
    if (!incoming.url.startsWith('/throng/')) return outgoing.writeHead(404).end();
    const { method, headers } = incoming;
    incoming.pipe(
      request({ hostname, port, method, headers, path: below(incoming.url) }, (answer) => {
        outgoing.writeHead(answer.statusCode, answer.headers);
        answer.pipe(outgoing);
      }),
    );
  });
  proxy.on('upgrade', ({ method, url, rawHeaders }, socket) => {
    if (!url.startsWith('/throng/')) return socket.destroy();
    const upstream = connect(Number(port), hostname, () => {
      const fields = rawHeaders.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('');
      upstream.write(`${method} ${below(url)} HTTP/1.1\r\n${fields}\r\n`);
      socket.pipe(upstream).pipe(socket);
    });
    for (const end of [socket, upstream]) end.on('error', () => (socket.destroy(), upstream.destroy()));
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  try {
    const page = await visit(`http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (proxy.address()).port}/throng/?room=${newRoom()}`);
    await page.fill('#go', 'elsewhere');
    await page.press('#go', 'Enter');
    await page.waitForURL(/\/throng\/\?room=elsewhere$/);
    await page.waitForSelector('[data-state="connected"]');
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});
