import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Identity } from '../../static/identity.js';
import { Naming } from '../../static/naming.js';

class Storage {
  #items = new Map();
  getItem = (key) => this.#items.get(key) ?? null;
  setItem = (key, value) => this.#items.set(key, value);
  removeItem = (key) => this.#items.delete(key);
}

const scope = /** @type {any} */ (globalThis);
let sent, events, isOpen;
beforeEach(() => {
  scope.localStorage = new Storage();
  scope.sessionStorage = new Storage();
  [sent, events, isOpen] = [[], [], true];
});

const naming = () =>
  new Naming({
    identity: new Identity(),
    send: (/** @type {any} */ frame) => isOpen && sent.push([frame.name, frame.id]) > 0,
    onName: (name, isChoice) => events.push(isChoice ? `chosen ${name}` : name),
    onRefusal: ({ code }) => events.push(`refused ${code}`),
    later: (then) => then(),
    onSubstitute: (wish, name) => events.push(`${wish} is ${name}`),
  });
const enter = (subject, name, refused) => {
  subject.welcome({ uid: name, name });
  if (refused) subject.refused({ code: refused, message: '' });
  subject.joined();
};
const taken = (id) => ({ code: 'name_taken', message: '', id });

test('a guest asks for the name it had', () => {
  const subject = naming();
  assert.equal(subject.nameOnEntry(), '');
  enter(subject, 'guest-abcd');
  assert.equal(subject.nameOnEntry(), 'guest-abcd');
  assert.equal(naming().nameOnEntry(), 'guest-abcd');
  enter(subject, 'guest-wxyz', 'bad_name');
  assert.deepEqual([sent, events], [[], ['guest-abcd', 'guest-wxyz']]);
});

test('a name that was chosen is asked for ever after', () => {
  const subject = naming();
  enter(subject, 'guest-abcd');
  subject.choose('Zoe');
  assert.deepEqual(sent, [['Zoe', 'nick-1']]);
  subject.renamed('Zoe');
  assert.equal(events.at(-1), 'chosen Zoe');
  scope.sessionStorage = new Storage();
  assert.equal(naming().nameOnEntry(), 'Zoe');
});

test('a taken name is given with a number, and asked for again at each entry', () => {
  scope.localStorage.setItem('throng.name', 'Zoe');
  const subject = naming();
  assert.equal(subject.nameOnEntry(), 'Zoe');
  enter(subject, 'guest-abcd', 'name_taken');
  assert.deepEqual(sent, [['Zoe', 'nick-1']]);
  subject.refused(taken('nick-1'));
  assert.deepEqual(sent.at(-1), ['Zoe 2', 'nick-2']);
  subject.refused(taken('nick-2'));
  assert.deepEqual(sent.at(-1), ['Zoe 3', 'nick-3']);
  subject.renamed('Zoe 3');
  assert.equal(events.at(-1), 'Zoe is Zoe 3');

  assert.equal(subject.nameOnEntry(), 'Zoe 3');
  enter(subject, 'Zoe 3');
  assert.deepEqual(sent.at(-1), ['Zoe', 'nick-4']);
  subject.refused(taken('nick-4'));
  assert.equal(events.at(-1), 'Zoe 3');

  subject.released('Somebody');
  subject.released('Zoe');
  assert.deepEqual(sent.at(-1), ['Zoe', 'nick-5']);
  subject.renamed('Zoe');
  subject.released('Zoe');
  assert.equal(sent.length, 5);
});

test('a name that is free a moment later is taken without a word', () => {
  scope.localStorage.setItem('throng.name', 'Zoe');
  const subject = naming();
  subject.nameOnEntry();
  enter(subject, 'guest-abcd', 'name_taken');
  subject.renamed('Zoe');
  assert.deepEqual(events, ['guest-abcd', 'Zoe']);
});

test('there is an end to substitutes', () => {
  scope.localStorage.setItem('throng.name', 'Zoe');
  const subject = naming();
  subject.nameOnEntry();
  enter(subject, 'guest-abcd', 'name_taken');
  for (let count = 1; count <= 5; count++) assert.equal(subject.refused(taken(`nick-${count}`)), true);
  assert.equal(sent.length, 5);
  assert.equal(events.at(-1), 'Zoe is guest-abcd');
});

test('a choice without a connection goes along with the next one, and is judged there', () => {
  const subject = naming();
  enter(subject, 'guest-abcd');
  isOpen = false;
  subject.choose('Bo');
  assert.equal(subject.nameOnEntry(), 'Bo');
  isOpen = true;
  enter(subject, 'guest-abcd', 'name_taken');
  assert.equal(events.at(-1), 'refused name_taken');
  assert.equal(subject.nameOnEntry(), 'guest-abcd');
});

test('a choice whose answer was lost with the connection is asked for again', () => {
  const subject = naming();
  enter(subject, 'guest-abcd');
  subject.choose('Bo');
  assert.equal(subject.nameOnEntry(), 'Bo');
  enter(subject, 'Bo');
  assert.equal(events.at(-1), 'chosen Bo');
  assert.equal(sent.length, 1);
});

test('what is said against something else is left to others', () => {
  const subject = naming();
  enter(subject, 'guest-abcd');
  assert.equal(subject.refused({ code: 'bad_room', message: '' }), false);
  assert.equal(subject.refused({ code: 'rate_limited', message: '', id: 'x-1' }), false);
  subject.choose('Bo');
  assert.equal(subject.refused({ code: 'rate_limited', message: '', id: 'nick-1' }), true);
  assert.equal(events.at(-1), 'refused rate_limited');
});
