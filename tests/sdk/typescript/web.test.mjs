// Web sessions through the official TypeScript SDK: the same messages as from an account with an API key.
//
// Each case is asked twice, of an account with a key in front of the scripted Messages API and of a web session in front
// of the scripted web surface; what the SDK makes of the answers must have the same structure.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import Anthropic, * as sdk from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';

import * as upstream from './upstream.mjs';

// None of the developer's own credentials may leak in.
for (const name of Object.keys(process.env)) {
  if (name.startsWith('ANTHROPIC_')) delete process.env[name];
}

const { TROUPE_URL: baseURL, TROUPE_KEY: api, TROUPE_WEB_KEY: web } = process.env;
const KEYS = { api, web };
const MODEL = 'claude-sonnet-5';
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const TEXT = upstream.textBlock('Words.');
const THINKING = [
  { type: 'thinking', thinking: '', signature: '' },
  [
    { type: 'thinking_delta', thinking: 'Hm.' },
    { type: 'signature_delta', signature: 'c2lnbmF0dXJl' },
  ],
];
const call = (number) => [
  { type: 'tool_use', id: `toolu_${number}`, name: 'get_weather', input: {} },
  [{ type: 'input_json_delta', partial_json: '{"location": "Paris"}' }],
];

beforeEach(upstream.reset);
afterEach(upstream.reset);

const client = (kind) =>
  new Anthropic({ baseURL, apiKey: KEYS[kind], maxRetries: 0, timeout: 60_000 });

/** A block as it stands in a JSON answer. */
function whole([block, deltas]) {
  const done = { ...block };
  for (const delta of deltas) {
    if (delta.type === 'input_json_delta') done.input = JSON.parse(delta.partial_json);
    else done[delta.type.replace('_delta', '')] += delta[delta.type.replace('_delta', '')];
  }
  return done;
}

/** What the Messages API answers. */
function scripted(stream, blocks, reason = 'end_turn', sequence = null) {
  if (!stream) {
    const message = upstream.message(blocks.map(whole), reason);
    return upstream.answer({ ...message, stop_sequence: sequence });
  }
  const events = upstream.events(blocks, reason);
  events.at(-2).delta.stop_sequence = sequence;
  return upstream.stream(events);
}

const MEMBERS = {
  text: ['text', 'type'],
  thinking: ['signature', 'thinking', 'type'],
  tool_use: ['id', 'input', 'name', 'type'],
};
const OF_THE_SDK = ['parsed', 'parsed_output', 'citations', 'caller'];

/** What must not depend on the kind of the account. */
function shape(message) {
  assert.equal(message.type, 'message');
  assert.equal(message.role, 'assistant');
  assert.equal(message.model, MODEL);
  assert.ok(message.id);
  assert.ok(message.usage.input_tokens > 0 && message.usage.output_tokens > 0);
  for (const block of message.content) {
    const given = Object.keys(block).filter((name) => block[name] != null);
    const members = given.filter((name) => !OF_THE_SDK.includes(name)).sort();
    assert.deepEqual(members, MEMBERS[block.type]);
  }
  const types = message.content.map((block) => block.type);
  return { types, reason: message.stop_reason, sequence: message.stop_sequence };
}

async function ask(kind, stream, content, fields) {
  const messages = [{ role: 'user', content }];
  const body = { model: MODEL, max_tokens: 2048, messages, ...fields };
  if (!stream) return client(kind).messages.create(body);
  const seen = [];
  const running = client(kind).messages.stream(body);
  running.on('streamEvent', (event) => seen.push(event.type));
  const message = await running.finalMessage();
  assert.equal(seen[0], 'message_start');
  assert.equal(seen.at(-1), 'message_stop');
  return message;
}

/** The message of the web session, which must be of the same shape as the other. */
async function both(stream, blocks, content, { reason, sequence, ...fields } = {}) {
  await upstream.script(scripted(stream, blocks, reason, sequence));
  const byKey = await ask('api', stream, content, fields);
  const byWeb = await ask('web', stream, content, fields);
  assert.deepEqual(shape(byWeb), shape(byKey));
  return byWeb;
}

for (const stream of [true, false]) {
  const how = stream ? 'stream' : 'JSON';

  test(`text, ${how}`, async () => {
    const answer = await both(stream, [TEXT], 'Hello [[mock:web_text]]');
    assert.ok(answer.content[0].text.startsWith('This is a scripted answer.'));
  });

  test(`thinking, ${how}`, async () => {
    const thinking = { type: 'enabled', budget_tokens: 1024 };
    const content = 'Hello [[mock:web_thinking]]';
    const answer = await both(stream, [THINKING, TEXT], content, { thinking });
    assert.ok(answer.content[0].thinking && answer.content[0].signature);
    await both(stream, [TEXT], content);
  });

  test(`image, ${how}`, async () => {
    const source = { type: 'base64', media_type: 'image/png', data: PIXEL };
    const text = { type: 'text', text: '[[mock:web_text]]' };
    const answer = await both(stream, [TEXT], [{ type: 'image', source }, text]);
    assert.ok(answer.content[0].text.includes('Files: 1.'));
  });

  test(`stop sequence, ${how}`, async () => {
    const answer = await both(stream, [TEXT], 'Hello [[mock:web_stop_bait]]', {
      reason: 'stop_sequence',
      sequence: 'HALT',
      stop_sequences: ['HALT', 'NEVER'],
    });
    assert.equal(answer.content[0].text, 'Words, HAL and more before the ');
  });

  const loops = [
    ['web_one_tool', [[call(1)], [TEXT]]],
    ['web_two_tools', [[TEXT, call(1), call(2)], [TEXT]]],
    ['web_tool_chain', [[call(1)], [call(2)], [TEXT]]],
  ];
  for (const [scenario, rounds] of loops) {
    test(`the SDK's own tool loop, ${scenario}, ${how}`, async () => {
      const weather = betaTool({
        name: 'get_weather',
        description: 'The weather of a place',
        inputSchema: {
          type: 'object',
          properties: { location: { type: 'string' } },
          required: ['location'],
        },
        run: ({ location }) => `18 degrees in ${location}`,
      });
      const loop = async (kind) => {
        const runner = client(kind).beta.messages.toolRunner({
          model: MODEL,
          max_tokens: 2048,
          tools: [weather],
          messages: [{ role: 'user', content: `Hello [[mock:${scenario}]]` }],
          stream,
        });
        const messages = [];
        for await (const step of runner) messages.push(stream ? await step.finalMessage() : step);
        return messages;
      };
      const reason = (at) => (at === rounds.length - 1 ? 'end_turn' : 'tool_use');
      await upstream.script(...rounds.map((blocks, at) => scripted(stream, blocks, reason(at))));
      const byKey = await loop('api');
      const before = (await upstream.web()).conversations.length;
      const byWeb = await loop('web');
      assert.deepEqual(byWeb.map(shape), byKey.map(shape));
      assert.ok(byWeb.at(-1).content.at(-1).text.includes('18 degrees in Paris'));
      const conversations = (await upstream.web()).conversations.slice(before);
      const calls = rounds.flat().filter(([block]) => block.type === 'tool_use').length;
      assert.equal(conversations.length, 1);
      assert.equal(conversations[0].completions, 1);
      assert.equal(conversations[0].tool_results.length, calls);
    });
  }
}

test('a broken stream is an error', async () => {
  const broken = ask('web', true, 'Hello [[mock:web_mid_error]]');
  await assert.rejects(broken, sdk.APIError);
  const next = await ask('web', true, 'Hello [[mock:web_text]]');
  assert.equal(next.stop_reason, 'end_turn');
});

test('who leaves a stream leaves no chat', async () => {
  const messages = [{ role: 'user', content: 'Hello [[mock:web_endless]]' }];
  const stream = client('web').messages.stream({ model: MODEL, max_tokens: 64, messages });
  const failed = assert.rejects(stream.done(), sdk.APIUserAbortError);
  await new Promise((resolve) => stream.once('text', resolve));
  stream.abort();
  await failed;
  const clean = async () => {
    const { alive, running } = await upstream.web();
    return alive === 0 && running === 0;
  };
  assert.ok(await upstream.until(clean, 10_000), 'the chat is still there');
});
