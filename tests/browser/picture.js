// Takes the picture of the page that the README shows: `node picture.js`.

import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { CHROMIUM, CHROMIUM_FLAGS, connected, member, message, say, startServer } from './support.js';

const FILE = fileURLToPath(new URL('page.png', import.meta.url));
const ROOM = 'release-2.4';
const CONVERSATION = [
  ['Mira', 'Morning! The build for 2.4 is green on all three platforms.'],
  ['Jonas', 'Nice. I reran the load test overnight: 20,000 clients, p99 at 41 ms.'],
  ['Jonas', 'Report is on the wiki, next to the one for 2.3.'],
  ['Priya', 'That is better than last time, isn’t it?'],
  ['Jonas', 'A lot. 2.3 had 68 ms on the same machine.'],
  ['Tomás', 'Docs are proofread too.'],
  ['Mira', 'Great, thank you! Then only the changelog is left.'],
  ['Priya', 'I can take that. Give me half an hour.'],
  ['Mira', 'Perfect. I’ll tag it after lunch.'],
];

const server = await startServer();
const browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_FLAGS });
try {
  const enter = async (name) => {
    const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 880, height: 500 } });
    const page = await context.newPage();
    await page.addInitScript((wish) => localStorage.setItem('throng.name', wish), name);
    await page.goto(`${server.url}/?room=${ROOM}`);
    await connected(page);
    return page;
  };
  const pages = new Map();
  for (const name of ['Mira', 'Jonas', 'Priya', 'Tomás', 'Wen']) pages.set(name, await enter(name));
  for (const [name, text] of CONVERSATION) {
    await say(pages.get(name), text);
    await message(pages.get('Mira'), text);
  }
  const view = pages.get('Mira');
  await member(view, 'Wen');
  await view.fill('#text', '');
  await view.screenshot({ path: FILE, animations: 'disabled', caret: 'hide' });
} finally {
  await browser.close();
  await server.kill();
}
