import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const folder = new URL('../../static/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.js'));
const sources = new Map(names.map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]));

// The server puts all modules into one script, for which it knows these forms only.
const IMPORT = /^import \{ [\w$]+(?:, [\w$]+)* \} from '\.\/([\w-]+\.js)';$/;
const EXPORT = /^export (?:class|function|const|let) /;

test('modules import and export in the forms that the server can put together', () => {
  for (const [name, source] of sources) {
    for (const line of source.split('\n').filter((each) => /^(?:import|export)\b/.test(each))) {
      const imported = IMPORT.exec(line);
      assert.ok(imported ? sources.has(imported[1]) : EXPORT.test(line), `${name}: ${line}`);
    }
    assert.doesNotMatch(source.replace(/\/\*[^]*?\*\//g, ''), /\bimport\.meta|^\s*await |[^@]\bimport\(/m, name);
  }
});

test('no module imports itself by way of others', () => {
  const importsOf = (name) =>
    sources.get(name).split('\n').flatMap((line) => IMPORT.exec(line)?.[1] ?? []);
  const visit = (name, path) => {
    assert.ok(!path.includes(name), [...path, name].join(' → '));
    for (const each of importsOf(name)) visit(each, [...path, name]);
  };
  for (const name of names) visit(name, []);
});
