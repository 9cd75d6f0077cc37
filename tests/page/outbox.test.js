import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Outbox } from '../../static/outbox.js';

const HERE = { uid: 'me1', epoch: 'a', offset: 10 };
const part = (offset, offsets, epoch = 'a') => ({ epoch, offset, history: offsets.map((each) => ({ offset: each })) });
const known = (offset, epoch = 'a') => ({ epoch, offset });
const sentOne = () => {
  const outbox = new Outbox('x');
  outbox.add('text');
  const item = outbox.next();
  outbox.markSent(item, HERE);
  return { outbox, item };
};

test('texts are sent one at a time, in the order in which they were written', () => {
  const outbox = new Outbox('x');
  for (const text of ['one', 'two', 'three']) outbox.add(text);
  const sent = [];
  for (let item = outbox.next(); item; item = outbox.next()) {
    outbox.markSent(item, HERE);
    assert.equal(outbox.next(), null);
    sent.push(item.text);
    assert.equal(outbox.remove(item.id), true);
  }
  assert.deepEqual(sent, ['one', 'two', 'three']);
});

test('each text has an id of its own', () => {
  const outbox = new Outbox('x');
  for (let count = 0; count < 100; count++) outbox.add('same');
  assert.equal(new Set(outbox.items.map(({ id }) => id)).size, 100);
});

test('a refused text does not hold up those after it, and can be sent again', () => {
  const outbox = new Outbox('x');
  outbox.add('one');
  outbox.add('two');
  const one = outbox.next();
  outbox.markSent(one, HERE);
  outbox.refuse(one, 'why');
  assert.deepEqual([one.state, one.reason], ['refused', 'why']);
  assert.equal(outbox.next().text, 'two');
  outbox.requeue(one);
  assert.equal(outbox.next().text, 'one');
});

test('a text that the whole history since does not have is sent again', () => {
  const { outbox, item } = sentOne();
  outbox.observe(part(12, [11, 12]), known(10));
  outbox.settle('me2', []);
  assert.equal(item.state, 'queued');
});

test('a text may have been said if a part of the history is missing', () => {
  const { outbox, item } = sentOne();
  outbox.observe(part(14, [13, 14]), known(10));
  outbox.settle('me2', []);
  assert.equal(item.state, 'unknown');
});

test('what the page has seen live counts as seen', () => {
  const { outbox, item } = sentOne();
  outbox.observe(part(14, [13, 14]), known(12));
  outbox.settle('me2', undefined);
  assert.equal(item.state, 'queued');
});

test('a hole in one part of the history is not forgotten when the next part is whole', () => {
  const { outbox, item } = sentOne();
  outbox.observe(part(13, [11, 13]), known(10));
  outbox.observe(part(15, [14, 15]), known(13));
  outbox.settle('me2', []);
  assert.equal(item.state, 'unknown');
});

test('a text waits while the connection it was sent on is still in the room', () => {
  const { outbox, item } = sentOne();
  outbox.observe(part(10, []), known(10));
  outbox.settle('me2', [{ uid: 'me1' }, { uid: 'me2' }]);
  assert.equal(item.state, 'sent');
  outbox.settleConnection('somebody else');
  assert.equal(item.state, 'sent');
  outbox.settleConnection('me1');
  assert.equal(item.state, 'queued');
});

test('a text that is on its way on this connection is not settled by its own history, unless it was asked for', () => {
  const { outbox, item } = sentOne();
  outbox.settle('me1', []);
  assert.equal(item.state, 'sent');
  outbox.ask();
  outbox.observe(part(11, [11]), known(10));
  outbox.settle('me1', [{ uid: 'me1' }]);
  assert.equal(item.state, 'queued');
});

test('after a restart a text is sent again, since the new history is without it', () => {
  const { outbox, item } = sentOne();
  outbox.observe(part(3, [1, 2, 3], 'b'), known(10));
  outbox.settle('me2', []);
  assert.equal(item.state, 'queued');
});

test('a page that was loaded anew takes its position from the text', () => {
  const { outbox } = sentOne();
  const complete = new Outbox('y', JSON.parse(JSON.stringify(outbox.items)));
  complete.observe(part(12, [9, 10, 11, 12]), known(0, null));
  complete.settle('me2', []);
  assert.equal(complete.items[0].state, 'queued');

  const cut = new Outbox('z', JSON.parse(JSON.stringify(outbox.items)));
  cut.observe(part(20, [19, 20]), known(0, null));
  cut.settle('me2', []);
  assert.equal(cut.items[0].state, 'unknown');
});

test('damaged storage is ignored', () => {
  assert.equal(new Outbox('x', [null, 1, 'x', {}, { id: 1, text: 'x' }]).items.length, 0);
});
