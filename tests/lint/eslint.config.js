import js from '@eslint/js';
import globals from 'globals';

// Relative to the root of the repository, from which `tests/lint/run` starts ESLint.
const page = ['static/**/*.js'];
const tests = ['tests/{node,page,browser,lint}/*.js', 'benches/**/*.mjs'];

export default [
  { ignores: ['**/node_modules/', '**/target/', '**/.tools/'] },
  js.configs.recommended,
  {
    rules: {
      eqeqeq: 'error',
      'no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }],
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      'prefer-template': 'error',
    },
  },
  { files: page, languageOptions: { globals: globals.browser } },
  { files: tests, languageOptions: { globals: globals.node } },
  // What these tests evaluate runs in a page.
  { files: ['tests/browser/*.js'], languageOptions: { globals: { ...globals.node, ...globals.browser } } },
];
