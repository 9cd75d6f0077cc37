// Starts the server under test and opens visitors' tabs, which are all watched for what a page must never do.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { after, afterEach, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const BINARY = process.env.THRONG_BIN ?? fileURLToPath(new URL('../../target/release/throng', import.meta.url));
export const CHROMIUM = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';
export const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const REFUSED = /WebSocket connection to .* failed|Failed to load resource/;

export async function startServer({ port = 0, flags = [] } = {}) {
  const settings = ['serve', '--listen', `127.0.0.1:${port}`, ...flags];
  const child = spawn(BINARY, settings, { stdio: ['ignore', 'ignore', 'pipe'] });
  const lines = createInterface({ input: child.stderr });
  const url = await new Promise((resolve, reject) => {
    lines.on('line', (line) => {
      const address = /listening on (http:\/\/[\w.:]+)/.exec(line);
      if (address) resolve(address[1]);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${BINARY} ended with ${code} before it listened`)));
  });
  return {
    url,
    port: Number(new URL(url).port),
    pause: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    async kill(/** @type {NodeJS.Signals} */ signal = 'SIGKILL') {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await once(child, 'exit');
    },
  };
}

// Servers for one test file, which end with it.
export function servers() {
  const started = [];
  after(() => Promise.all(started.map((each) => each.kill())));
  return async (settings) => {
    started.push(await startServer(settings));
    return started.at(-1);
  };
}

export async function freePort() {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (holder.address());
  holder.close();
  await once(holder, 'close');
  return port;
}

// A browser for one test file. Each visitor is a person with a browser of their own.
export function visitors(settings) {
  let browser;
  const watched = [];

  before(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_FLAGS, ...settings });
  });

  afterEach(async () => {
    const pages = watched.splice(0);
    for (const { page } of pages) await page.context().close();
    for (const { faults, expects } of pages) {
      assert.deepEqual(faults.filter((fault) => !expects?.test(fault)), []);
      if (expects) assert.notEqual(faults.length, 0);
    }
  });

  after(() => browser.close());

  // `awaits` is the state of the page to wait for. `losesServer` allows the browser to report failed connections, and
  // `expects` the faults that match it.
  return async function visit(address, settings = {}) {
    const { name, losesServer = false, expects, prepare, awaits = 'connected', ...options } = settings;
    const context = await browser.newContext({ locale: 'en-GB', ...options });
    const page = await context.newPage();
    const faults = [];
    watched.push({ page, faults, expects });
    page.on('pageerror', (error) => faults.push(`page error: ${error}`));
    page.on('console', (message) => {
      if (message.type() !== 'error' || (losesServer && REFUSED.test(message.text()))) return;
      faults.push(`console: ${message.text()}`);
    });
    page.on('request', (request) => {
      if (new URL(request.url()).host !== new URL(address).host) faults.push(`request to ${request.url()}`);
    });
    await page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => console.error(`CSP refused ${event.blockedURI}`));
    });
    if (name) {
      await page.addInitScript((wish) => {
        if (location.protocol === 'about:') return;
        if (sessionStorage.getItem('named') === null) localStorage.setItem('throng.name', wish);
        sessionStorage.setItem('named', 'once');
      }, name);
    }
    await prepare?.(page);
    await page.goto(address);
    if (awaits) await inState(page, awaits);
    return page;
  };
}

export const inState = (page, name) => page.waitForSelector(`[data-state="${name}"]`);

export const connected = (page) => inState(page, 'connected');

// Waits until the page shows that number of members.
export const online = (page, count) => page.locator('#count').filter({ hasText: exactly(String(count)) }).waitFor();

export async function say(page, text) {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
}

// Waits for a message whose whole text is `text`, and answers its row.
export async function message(page, text) {
  const row = page.locator('#messages > li').filter({ has: page.locator('.bubble > p').filter({ hasText: exactly(text) }) });
  await row.first().waitFor();
  return row.first();
}

export async function member(page, name) {
  await page.locator('#members .name').filter({ hasText: exactly(name) }).waitFor({ state: 'attached' });
}

export const texts = (page) => page.locator('#messages .bubble > p').allTextContents();

export function exactly(text) {
  return new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\s+/g, '\\s+')}$`, 'u');
}

let rooms = 0;
export const newRoom = () => `room-${process.pid}-${++rooms}`;

export const shown = (page, expected) =>
  page.waitForFunction(
    (wanted) => JSON.stringify([...document.querySelectorAll('#messages .bubble > p')].map((body) => body.textContent)) === wanted,
    JSON.stringify(expected),
  );

export async function waitUntil(condition, what = 'the condition was not met in time') {
  for (const end = Date.now() + 30_000; Date.now() < end; ) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(what);
}
