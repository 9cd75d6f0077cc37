// The picture of a report that the README shows. `THRONG_PICTURES=1 node --test report.test.js` takes it anew.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import { BINARY, CHROMIUM, CHROMIUM_FLAGS, startServer } from './support.js';

const PICTURE = fileURLToPath(new URL('report.png', import.meta.url));
const SIZE = { width: 1000, height: 820 };
const SCALE = 0.75;
const LARGEST = 60 * 1024;

let folder;
let server;
let browser;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'throng-report-'));
  server = await startServer({ port: process.env.THRONG_PICTURES ? 8080 : 0 });
  browser = await chromium.launch({ executablePath: CHROMIUM, args: [...CHROMIUM_FLAGS, '--disable-lcd-text'] });
});

after(async () => {
  await browser?.close();
  await server?.kill();
  await rm(folder, { recursive: true });
});

test('the report of a run shows its figures without a script, in a picture that is small', async () => {
  const url = `${server.url.replace('http', 'ws')}/chat`;
  const seconds = process.env.THRONG_PICTURES ? '20' : '2';
  const flags = ['-c', '200', '--rate', '20', '-d', seconds, '-q', '--html', 'report.html'];
  // A busy machine may make the run invalid, which is no fault of the report.
  const run = promisify(execFile)(BINARY, ['bench', 'broadcast', url, ...flags], { cwd: folder });
  await run.catch((error) => assert.equal(error.code, 4));

  const page = await browser.newPage({ viewport: SIZE, deviceScaleFactor: SCALE });
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  page.on('request', (request) => request.url().startsWith('file:') || faults.push(request.url()));
  await page.goto(pathToFileURL(join(folder, 'report.html')).href);
  assert.match(await page.innerText('body'), /latency/i);
  assert.equal(await page.locator('script').count(), 0);
  assert.ok((await page.locator('svg').count()) > 0, 'there are charts');

  const picture = await page.screenshot({ type: 'png' });
  assert.deepEqual(faults, []);
  assert.ok(picture.length <= LARGEST, `${picture.length} bytes`);
  if (process.env.THRONG_PICTURES) await writeFile(PICTURE, picture);
});
