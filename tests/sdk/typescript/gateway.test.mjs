// The official TypeScript SDK against the gateway, in front of the scripted upstream.
//
// Run by `tests/it/sdk.rs`, which sets TROUPE_URL, TROUPE_KEY and MOCK_URL.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import Anthropic, * as sdk from '@anthropic-ai/sdk';

import * as upstream from './upstream.mjs';

// None of the developer's own credentials may leak in.
for (const name of Object.keys(process.env)) {
  if (name.startsWith('ANTHROPIC_')) delete process.env[name];
}

const { TROUPE_URL: baseURL, TROUPE_KEY: KEY } = process.env;
const MODEL = 'claude-sonnet-5';
const HELLO = [{ role: 'user', content: 'Hello' }];
const WEATHER = {
  name: 'get_weather',
  description: 'The weather of a place',
  input_schema: { type: 'object', properties: { city: { type: 'string' } } },
};

const client = (options) =>
  new Anthropic({ baseURL, apiKey: KEY, maxRetries: 0, timeout: 60_000, ...options });
const body = (fields) => ({ model: MODEL, max_tokens: 64, messages: HELLO, ...fields });
const create = (fields, of = client()) => of.messages.create(body(fields));
const openStream = (fields) => client().messages.stream(body(fields));

/** The error that `promise` fails with. */
async function failureOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail('it should have failed');
}

// An empty script, and an account that is not cooling down from the test before.
beforeEach(async () => {
  await upstream.reset();
  const serves = () =>
    create().then(
      () => true,
      (error) => {
        if (error.status === undefined) throw error;
        return false;
      },
    );
  assert.ok(await upstream.until(serves, 60_000), 'the account never came back into service');
  await upstream.reset();
});

test('create', async () => {
  const content = [{ type: 'text', text: 'Hello, you.' }];
  await upstream.script(upstream.answer(upstream.message(content)));
  const answer = await create({ system: 'Be brief.', metadata: { user_id: 'u-1' } });
  assert.deepEqual(answer.content, content);
  assert.equal(answer.stop_reason, 'end_turn');
  assert.equal(answer.usage.output_tokens, 7);
  assert.ok(answer._request_id, "every answer carries the gateway's request-id");
});

test('the gateway key never reaches the upstream', async () => {
  await create();
  const requests = await upstream.journal();
  assert.equal(requests.length, 1);
  assert.ok(!JSON.stringify(requests).includes(KEY));
});

test('bearer and x-api-key', async () => {
  for (const credential of [{ apiKey: KEY }, { apiKey: null, authToken: KEY }]) {
    const content = [{ type: 'text', text: 'in' }];
    await upstream.script(upstream.answer(upstream.message(content)));
    assert.equal((await create({}, client(credential))).content[0].text, 'in');
  }
});

test('stream: text', async () => {
  const parts = ['Once ', 'upon ', 'a time … ', '日本'];
  const events = upstream.events([upstream.textBlock(...parts)]);
  await upstream.script(upstream.stream(events, { event_delay_ms: 5 }));
  const seen = [];
  const stream = openStream().on('text', (text) => seen.push(text));
  const final = await stream.finalMessage();
  assert.deepEqual(seen, parts);
  assert.equal(final.content[0].text, parts.join(''));
  assert.equal(final.usage.output_tokens, 7);
});

test('stream: raw events', async () => {
  await upstream.script(upstream.stream(upstream.events([upstream.textBlock('a', 'b')])));
  const kinds = [];
  for await (const event of await create({ stream: true })) kinds.push(event.type);
  assert.equal(kinds[0], 'message_start');
  assert.equal(kinds.filter((kind) => kind === 'content_block_delta').length, 2);
  assert.equal(kinds.at(-1), 'message_stop');
});

test('stream: tool use', async () => {
  const block = { type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: {} };
  const deltas = ['{"ci', 'ty": "Pa', 'ris"}'].map((partial_json) => ({
    type: 'input_json_delta',
    partial_json,
  }));
  await upstream.script(upstream.stream(upstream.events([[block, deltas]], 'tool_use')));
  const final = await openStream({ tools: [WEATHER] }).finalMessage();
  assert.equal(final.stop_reason, 'tool_use');
  assert.deepEqual(final.content[0].input, { city: 'Paris' });
});

test('tools: there and back', async () => {
  const use = { type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: { city: 'Paris' } };
  await upstream.script(
    upstream.answer(upstream.message([use], 'tool_use')),
    upstream.answer(upstream.message([{ type: 'text', text: '18 degrees.' }])),
  );
  const first = await create({ tools: [WEATHER] });
  const result = { type: 'tool_result', tool_use_id: first.content[0].id, content: '18' };
  const said = [
    { role: 'assistant', content: first.content },
    { role: 'user', content: [result] },
  ];
  const second = await create({ tools: [WEATHER], messages: [...HELLO, ...said] });
  assert.equal(second.content[0].text, '18 degrees.');
});

test('stream: thinking', async () => {
  const block = { type: 'thinking', thinking: '', signature: '' };
  const deltas = [
    { type: 'thinking_delta', thinking: 'Let me ' },
    { type: 'thinking_delta', thinking: 'see.' },
    { type: 'signature_delta', signature: 'c2lnbmF0dXJl' },
  ];
  const events = upstream.events([[block, deltas], upstream.textBlock('Four.')]);
  await upstream.script(upstream.stream(events));
  const thinking = { type: 'enabled', budget_tokens: 1024 };
  const final = await openStream({ max_tokens: 2048, thinking }).finalMessage();
  assert.equal(final.content[0].thinking, 'Let me see.');
  assert.equal(final.content[0].signature, 'c2lnbmF0dXJl');
  assert.equal(final.content[1].text, 'Four.');
});

// What the upstream answers (often enough for every attempt) and what the SDK must throw. Each
// has a model of its own: the gateway may remember a fault per model.
const RELAYED = [
  [400, 'invalid_request_error', sdk.BadRequestError],
  [404, 'not_found_error', sdk.NotFoundError],
  [413, 'request_too_large', sdk.ContentTooLargeError],
  [429, 'rate_limit_error', sdk.RateLimitError],
  [500, 'api_error', sdk.InternalServerError],
  [529, 'overloaded_error', sdk.OverloadedError],
];

for (const [status, type, thrown] of RELAYED) {
  test(`error ${status} is relayed`, async () => {
    const headers = status === 429 ? [['retry-after', '1']] : [];
    const scripted = upstream.failure(status, type, 'as scripted', headers);
    await upstream.script(...Array(5).fill(scripted));
    const error = await failureOf(create({ model: `claude-typescript-${status}` }));
    assert.equal(error.constructor, thrown);
    assert.equal(error.status, status);
    assert.deepEqual(error.error.error, { type, message: 'as scripted' });
    assert.ok(error.requestID && error.requestID !== 'req_up');
  });
}

test('a fault of the request is not retried', async () => {
  const scripted = upstream.failure(400, 'invalid_request_error', 'as scripted');
  await upstream.script(...Array(3).fill(scripted));
  assert.ok((await failureOf(create())) instanceof sdk.BadRequestError);
  assert.equal((await upstream.journal()).length, 1);
});

test('a fault of the account is not relayed', async () => {
  const scripted = upstream.failure(403, 'permission_error', 'not this account');
  await upstream.script(...Array(5).fill(scripted));
  const error = await failureOf(create({ model: 'claude-typescript-403' }));
  assert.equal(error.constructor, sdk.ServiceUnavailableError);
  assert.ok(!JSON.stringify(error.error).includes('not this account'));
});

test('an unknown key', async () => {
  const stranger = client({ apiKey: 'troupe-nobody-has-this-key-0000' });
  const error = await failureOf(create({}, stranger));
  assert.equal(error.constructor, sdk.AuthenticationError);
  assert.equal(error.type, 'authentication_error');
  assert.deepEqual(await upstream.journal(), []);
});

test('a listing of a shared account is refused', async () => {
  const error = await failureOf(client().messages.batches.list());
  assert.equal(error.constructor, sdk.PermissionDeniedError);
  assert.deepEqual(await upstream.journal(), []);
});

test('an error after the first event', async () => {
  const begun = upstream.events([upstream.textBlock('Half a ')]).slice(0, 4);
  const failure = { type: 'error', error: { type: 'overloaded_error', message: 'midway' } };
  await upstream.script(upstream.stream([...begun, failure]));
  const error = await failureOf(openStream().finalMessage());
  assert.ok(error instanceof sdk.APIError);
  assert.match(error.message, /midway/);
});

test('a cut stream is an error', async () => {
  const begun = upstream.events([upstream.textBlock('Half a ')]).slice(0, 4);
  await upstream.script(upstream.stream(begun));
  const error = await failureOf(openStream().finalMessage());
  assert.ok(error instanceof sdk.APIError, `not from an event: error, but ${error}`);
});

test('count_tokens', async () => {
  const scripted = upstream.answer({ input_tokens: 42 });
  await upstream.script({ ...scripted, path: '/v1/messages/count_tokens' });
  const counted = await client().messages.countTokens({ model: MODEL, messages: HELLO });
  assert.equal(counted.input_tokens, 42);
});

test('models', async () => {
  const ids = [];
  for await (const model of client().models.list({ limit: 2 })) ids.push(model.id);
  assert.ok(ids.length > 0);
  assert.equal(new Set(ids).size, ids.length, 'no model stands on two pages');
  assert.equal((await client().models.retrieve(ids[0])).id, ids[0]);
  const error = await failureOf(client().models.retrieve('claude-nobody-made-this'));
  assert.equal(error.constructor, sdk.NotFoundError);
});

test('abort in mid-stream', async () => {
  const words = upstream.textBlock(...Array(200).fill('word '));
  await upstream.script(upstream.stream(upstream.events([words]), { event_delay_ms: 50 }));
  const stream = openStream();
  stream.once('text', () => stream.abort());
  const error = await failureOf(stream.finalMessage());
  assert.ok(error instanceof sdk.APIUserAbortError);
  const aborted = async () => (await upstream.journal())[0].aborted_at_ms !== null;
  assert.ok(await upstream.until(aborted, 2_000), 'the upstream still sends to nobody');
  await upstream.script(upstream.answer(upstream.message([{ type: 'text', text: 'next' }])));
  assert.equal((await create()).content[0].text, 'next');
});
