import assert from 'node:assert/strict';
import { test } from 'node:test';
import { socketAddress } from '../../static/address.js';
import { hueOf, initialsOf } from '../../static/avatar.js';
import { Backoff } from '../../static/backoff.js';
import { Grouping } from '../../static/grouping.js';
import { compareNames } from '../../static/i18n.js';
import { brokenRoomRule, roomOf } from '../../static/room-name.js';
import { byteLength, wellFormed } from '../../static/text.js';

test('the socket is next to the page, whatever folder that is in', () => {
  const of = (base, room = 'lobby', query = {}) => socketAddress(base, room, query);
  assert.equal(of('http://h:8080/'), 'ws://h:8080/chat/lobby');
  assert.equal(of('https://h/throng/?room=x#y'), 'wss://h/throng/chat/lobby');
  assert.equal(of('https://h/a/index.html'), 'wss://h/a/chat/lobby');
  assert.equal(of('http://h/', 'a?b#c d'), 'ws://h/chat/a%3Fb%23c%20d');
  assert.equal(of('http://h/', 'x', { since: 4, epoch: 'a b', name: 'Zoë &' }), 'ws://h/chat/x?since=4&epoch=a+b&name=Zo%C3%AB+%26');
});

test('the wait doubles up to a limit, and a part of it is taken by chance', () => {
  const longest = new Backoff(() => 1);
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(() => longest.next()), [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  longest.reset();
  assert.equal(longest.next(1012), 5000);
  assert.equal(longest.next(1013), 20000);
  assert.equal(longest.next(1013), 30000);
  assert.equal(new Backoff(() => 0).next(1013), 0);
  assert.equal(new Backoff(() => 0.5).next(1006), 500);
});

test('messages are grouped by person, name, day and time', () => {
  const grouping = new Grouping();
  const place = (uid, minutes, { name = uid, day = 'Friday' } = {}) =>
    grouping.place({ uid, name }, new Date(minutes * 60_000), day);
  assert.deepEqual(place('a', 0), { startsDay: true, follows: false });
  assert.deepEqual(place('a', 1), { startsDay: false, follows: true });
  assert.equal(place('b', 1).follows, false);
  assert.equal(place('b', 7).follows, false);
  assert.equal(place('b', 8, { name: 'other' }).follows, false);
  assert.deepEqual(place('b', 9, { name: 'other', day: 'Saturday' }), { startsDay: true, follows: false });
  grouping.interrupt();
  assert.equal(place('b', 9, { name: 'other', day: 'Saturday' }).follows, false);
});

test('the room is in the address, and is the lobby if there is none', () => {
  assert.equal(roomOf(''), 'lobby');
  assert.equal(roomOf('?room='), 'lobby');
  assert.equal(roomOf('?room=%20'), 'lobby');
  assert.equal(roomOf('?room=a%26b&x=1'), 'a&b');
});

test('rooms that cannot be are known before the server is asked', () => {
  assert.equal(brokenRoomRule('tea', 64), '');
  assert.equal(brokenRoomRule('茶'.repeat(21), 64), '');
  assert.equal(brokenRoomRule('茶'.repeat(22), 64), 'bytes');
  assert.equal(brokenRoomRule('x'.repeat(999), 0), '');
  assert.equal(brokenRoomRule('  ', 64), 'blank');
  assert.equal(brokenRoomRule('a/b', 64), 'slash');
  assert.equal(brokenRoomRule('..', 64), 'dots');
  assert.equal(brokenRoomRule('.', 64), 'dots');
  assert.equal(brokenRoomRule('...', 64), '');
  assert.equal(brokenRoomRule('a\u0007b', 64), 'unprintable');
  assert.equal(brokenRoomRule('a\u202Eb', 64), 'unprintable');
});

test('member 2 stands before member 10', () => {
  assert.deepEqual(['member-10', 'member-2', 'Zoe', 'ada'].sort(compareNames), ['ada', 'member-2', 'member-10', 'Zoe']);
});

test('guests are told apart by the end of their names', () => {
  assert.deepEqual(initialsOf('guest-n33j'), ['N', '3']);
  assert.deepEqual(initialsOf('zoe'), ['Z']);
  assert.deepEqual(initialsOf('👩‍👩‍👧‍👦 family'), ['👩‍👩‍👧‍👦']);
  assert.deepEqual(initialsOf(''), []);
  assert.notEqual(hueOf('guest-aaaa'), hueOf('guest-aaab'));
});

test('a browser without segments of text still shows a mark', (context) => {
  const { Segmenter } = Intl;
  context.after(() => Reflect.set(Intl, 'Segmenter', Segmenter));
  Reflect.set(Intl, 'Segmenter', undefined);
  assert.deepEqual(initialsOf('Zoe'), ['Z']);
});

test('text is counted as UTF-8, and made such that it can be sent', () => {
  assert.equal(byteLength('长'), 3);
  assert.equal(wellFormed('a\uD83Db\uDE00'), 'a\uFFFDb\uFFFD');
  assert.equal(wellFormed('😀'), '😀');
});
