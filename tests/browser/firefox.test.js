import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { newRoom, servers } from './support.js';

const FIREFOX = process.env.FIREFOX_BIN ?? '/usr/bin/firefox-esr';
const start = servers();
const PATIENCE = { timeout: 60_000 };
let browser;
before(async () => {
  browser = await puppeteer.launch({ browser: 'firefox', executablePath: FIREFOX, headless: true });
});
after(() => browser?.close());

const connected = (page) => page.waitForSelector('[data-state="connected"]', PATIENCE);
const shown = (page, ...expected) =>
  page.waitForFunction(
    (wanted) => JSON.stringify([...document.querySelectorAll('#messages .bubble > p')].map((body) => body.textContent)) === wanted,
    PATIENCE,
    JSON.stringify(expected),
  );

test('Firefox talks, keeps what was said through a reload, and reconnects at once when asked to', async () => {
  const doomed = await start();
  const page = await browser.newPage();
  const errors = [];
  let checks = 0;
  page.on('request', (request) => (checks += request.url().endsWith('/healthz')));
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(`${doomed.url}/?room=${newRoom()}`);
  await connected(page);
  const say = async (text) => {
    await page.type('#text', text);
    await page.keyboard.press('Enter');
  };
  await say('one');
  await shown(page, 'one');
  await page.reload();
  await shown(page, 'one');
  await connected(page);
  assert.equal(await page.$$eval('#messages > .own', (rows) => rows.length), 1);

  await doomed.kill();
  await page.waitForSelector('[data-state="waiting"]', PATIENCE);
  await say('two');
  // Each socket that fails would make Firefox hold back the next one longer, so a request goes first.
  for (let attempt = 0; attempt < 5; attempt++) {
    await page.waitForSelector('[data-state="waiting"]', PATIENCE);
    await page.click('#try-now');
  }
  await page.waitForSelector('[data-state="waiting"]', PATIENCE);
  await start({ port: doomed.port });
  await page.evaluate(() => document.querySelector('#try-now').click());
  await connected(page);
  await shown(page, 'one', 'two');
  assert.equal(await page.$eval('#text', (box) => box.value), '');
  assert.ok(checks >= 6, `${checks} requests`);
  assert.deepEqual(errors, []);
});
