import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Timeline } from '../../static/timeline.js';

const messages = (...offsets) => offsets.map((offset) => ({ offset, uid: 'bo', name: 'Bo', time: '', text: '' }));
const part = (epoch, offset, offsets, more) => ({ epoch, offset, history: messages(...offsets), ...more });
const summary = (added) => added.map((entry) => ('missing' in entry ? -entry.missing : entry.offset));

test('what the first history does not reach back to is not missing', () => {
  const { restarted, added } = new Timeline().join(part('a', 41, [40, 41]));
  assert.equal(restarted, false);
  assert.deepEqual(summary(added), [40, 41]);
});

test('holes are told where they are', () => {
  const timeline = new Timeline();
  assert.deepEqual(summary(timeline.join(part('a', 9, [2, 5, 6])).added), [2, -2, 5, 6, -3]);
  assert.deepEqual(summary(timeline.join(part('a', 20, [15, 16, 20])).added), [-5, 15, 16, -3, 20]);
});

test('known messages are not added again', () => {
  const timeline = new Timeline();
  timeline.join(part('a', 2, [1, 2]));
  assert.equal(timeline.accept({ offset: 2 }), false);
  assert.equal(timeline.accept({ offset: 3 }), true);
  assert.deepEqual(summary(timeline.join(part('a', 4, [1, 2, 3, 4])).added), [4]);
  assert.deepEqual(timeline.position, { since: 4, epoch: 'a' });
});

test('another epoch is another history', () => {
  const timeline = new Timeline();
  assert.deepEqual(timeline.position, {});
  timeline.join(part('a', 9, [9]));
  const { restarted, added } = timeline.join(part('b', 1, [1]));
  assert.equal(restarted, true);
  assert.deepEqual(summary(added), [1]);
});

test('an empty history is no reason to miss anything', () => {
  assert.deepEqual(new Timeline().join(part('a', 0, [])).added, []);
  assert.deepEqual(new Timeline().join(part('a', 5, [])).added, []);
});

test('after a gap nothing is taken until the history has come', () => {
  const timeline = new Timeline();
  timeline.join(part('a', 1, [1]));
  timeline.suspend();
  assert.equal(timeline.accept({ offset: 5 }), false);
  assert.deepEqual(summary(timeline.join(part('a', 5, [2, 3, 4, 5])).added), [2, 3, 4, 5]);
  assert.equal(timeline.accept({ offset: 6 }), true);
});

test('a history that comes in parts is taken part by part', () => {
  const timeline = new Timeline();
  assert.deepEqual(summary(timeline.join(part('a', 9, [3, 4], { more: true })).added), [3, 4]);
  assert.equal(timeline.isSuspended, true);
  assert.deepEqual(timeline.position, { since: 4, epoch: 'a' });
  assert.equal(timeline.accept({ offset: 10 }), false);
  assert.deepEqual(summary(timeline.join(part('a', 10, [5, 6, 7, 8, 9, 10])).added), [5, 6, 7, 8, 9, 10]);
  assert.equal(timeline.isSuspended, false);
});

test('a history that was cut at its beginning is whole to its end', () => {
  const timeline = new Timeline();
  timeline.join(part('a', 2, [1, 2]));
  assert.deepEqual(summary(timeline.join(part('a', 9, [8, 9], { more: true })).added), [-5, 8, 9]);
  assert.equal(timeline.isSuspended, false);
});
