// Starts the server under test and opens visitors' tabs, which are all watched for what a page must never do.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { after, afterEach, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const BINARY = process.env.THRONG_BIN ?? fileURLToPath(new URL('../../target/release/throng', import.meta.url));
const CHROMIUM = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';
const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const REFUSED = /WebSocket connection to .* failed/;

export async function startServer(port = 0) {
  const child = spawn(BINARY, ['serve', '--listen', `127.0.0.1:${port}`], { stdio: ['ignore', 'ignore', 'pipe'] });
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
    async kill(signal = 'SIGKILL') {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await once(child, 'exit');
    },
  };
}

export async function freePort() {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address();
  holder.close();
  await once(holder, 'close');
  return port;
}

// A browser for one test file. Each visitor is a person with a browser of their own.
export function visitors() {
  let browser;
  const watched = [];

  before(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_FLAGS });
  });

  afterEach(async () => {
    const pages = watched.splice(0);
    for (const { page } of pages) await page.context().close();
    for (const { faults } of pages) assert.deepEqual(faults, []);
  });

  after(() => browser.close());

  return async function visit(address, { name, losesServer = false, prepare, ...options } = {}) {
    const context = await browser.newContext({ locale: 'en-GB', ...options });
    const page = await context.newPage();
    const faults = [];
    watched.push({ page, faults });
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
        if (localStorage.getItem('throng.name') === null) localStorage.setItem('throng.name', wish);
      }, name);
    }
    await prepare?.(page);
    await page.goto(address);
    await connected(page);
    return page;
  };
}

export const connected = (page) => page.waitForSelector('[data-state="connected"]');

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
