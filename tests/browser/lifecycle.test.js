import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { connected, inState, member, newRoom, online, say, servers, shown, visitors } from './support.js';

// Chromium as people use it: Playwright turns off the cache of pages for a return.
const visit = visitors({ ignoreDefaultArgs: ['--disable-back-forward-cache'] });
const start = servers();
let server;
before(async () => (server = await start()));

// A page that the browser kept is not loaded, so there is no load to wait for.
const goBack = (page) => page.goBack({ waitUntil: 'commit' });

test('a room that was left is left at once, and the name goes along to the next', async () => {
  const [here, there] = [newRoom(), newRoom()];
  const bo = await visit(`${server.url}/?room=${here}`, { name: 'Bo' });
  const ada = await visit(`${server.url}/?room=${here}`, { name: 'Ada' });
  await member(bo, 'Ada');
  for (let round = 0; round < 3; round++) {
    await ada.fill('#go', there);
    await ada.press('#go', 'Enter');
    await ada.waitForFunction((room) => document.querySelector('#room').textContent === room, there);
    await connected(ada);
    await online(bo, 1);
    assert.equal(await ada.inputValue('#name'), 'Ada');
    await goBack(ada);
    await online(bo, 2);
    await member(bo, 'Ada');
  }
});

test('a page that the browser kept is connected again on return, and has missed nothing', async () => {
  const address = `${server.url}/?room=${newRoom()}`;
  const bo = await visit(address, { name: 'Bo' });
  const ada = await visit(address, { name: 'Ada' });
  await say(ada, 'one');
  await shown(ada, ['one']);
  await ada.evaluate(() => (window.isTheSame = true));
  await ada.goto('about:blank');
  await online(bo, 1);
  await say(bo, 'two');
  await shown(bo, ['one', 'two']);
  await goBack(ada);
  await shown(ada, ['one', 'two']);
  assert.equal(await ada.evaluate(() => window.isTheSame), true, 'the page was loaded anew, so this test shows nothing');
  await say(ada, 'three');
  await shown(bo, ['one', 'two', 'three']);
});

test('a name is kept through reloads', async () => {
  const address = `${server.url}/?room=${newRoom()}`;
  const ada = await visit(address, { name: 'Ada' });
  for (let round = 0; round < 5; round++) {
    await ada.reload();
    await connected(ada);
    assert.equal(await ada.inputValue('#name'), 'Ada');
  }
});

test('a room that cannot be is not asked for again on return', async () => {
  const page = await visit(`${server.url}/?room=a/b`, { awaits: 'stopped' });
  await page.goto('about:blank');
  await goBack(page);
  await page.getByText('This room can’t be opened.').waitFor();
  await inState(page, 'stopped');
});
