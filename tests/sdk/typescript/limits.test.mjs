// What the official TypeScript SDK makes of the gateway's own limits: it waits for a throttle, and for nothing else.
//
// Run by `tests/it/sdk.rs`, which gives keys their limits: TROUPE_LIMITED_KEY (one request at once), TROUPE_SPEND_KEY
// (one cent a month), TROUPE_SMALL_KEY (ten tokens an hour).

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import Anthropic, * as sdk from '@anthropic-ai/sdk';

import * as upstream from './upstream.mjs';

for (const name of Object.keys(process.env)) {
  if (name.startsWith('ANTHROPIC_')) delete process.env[name];
}

const { TROUPE_URL: baseURL } = process.env;
const { TROUPE_LIMITED_KEY, TROUPE_SPEND_KEY, TROUPE_SMALL_KEY } = process.env;
const REQUEST = {
  model: 'claude-sonnet-5',
  max_tokens: 64,
  messages: [{ role: 'user', content: 'Hello' }],
};
// What an SDK that slept would take longer than.
const AT_ONCE_MS = 5_000;

const client = (apiKey, options) => new Anthropic({ baseURL, apiKey, timeout: 60_000, ...options });
const create = (apiKey) => client(apiKey).messages.create(REQUEST);

/** The error that a request ends with at once, with the SDK's own retries on, without a word to the upstream. */
async function refused(apiKey) {
  await upstream.reset();
  const began = Date.now();
  const error = await create(apiKey).then(
    () => assert.fail('the request was let through'),
    (error) => error,
  );
  assert.ok(Date.now() - began < AT_ONCE_MS, 'the SDK slept');
  assert.deepEqual(await upstream.journal(), []);
  assert.ok(!JSON.stringify(error.error).includes('x-api-key'));
  return error;
}

beforeEach(() => upstream.reset());

test('a throttle is waited for', async () => {
  const words = upstream.textBlock(...Array(10).fill('word '));
  await upstream.script(upstream.stream(upstream.events([words]), { event_delay_ms: 100 }));
  const stream = client(TROUPE_LIMITED_KEY).messages.stream(REQUEST);
  await stream.emitted('connect');
  let attempts = 0;
  const counting = (...request) => {
    attempts += 1;
    return fetch(...request);
  };
  const patient = client(TROUPE_LIMITED_KEY, { maxRetries: 5, fetch: counting });
  const answer = await patient.messages.create(REQUEST);
  assert.ok(answer.content.length > 0);
  assert.ok(attempts > 1, 'nothing was refused');
  await stream.finalMessage();
});

test('spent money is an error at once', async () => {
  const usage = { input_tokens: 1_000_000, output_tokens: 7 };
  const costly = { ...upstream.message([{ type: 'text', text: 'dear' }]), usage };
  await upstream.script(upstream.answer(costly));
  await create(TROUPE_SPEND_KEY);
  const error = await refused(TROUPE_SPEND_KEY);
  assert.equal(error.constructor, sdk.RateLimitError);
  assert.equal(error.type, 'billing_error');
  assert.match(error.error.error.message, /^spend limit reached · resets .* · ask the operator$/);
  assert.equal(error.headers.get('x-should-retry'), 'false');
  assert.equal(error.headers.get('anthropic-ratelimit-unified-status'), 'rejected');
});

test('what can never fit is an error at once', async () => {
  const error = await refused(TROUPE_SMALL_KEY);
  assert.equal(error.constructor, sdk.BadRequestError);
  assert.match(error.message, /10 tokens per hour/);
});
