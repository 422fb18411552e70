// The scripted upstream's side of a test: what it shall answer, and what reached it.

import { setTimeout as pause } from 'node:timers/promises';

const USAGE = { input_tokens: 12, output_tokens: 7 };

async function call(method, path, body) {
  const init = { method, headers: { 'content-type': 'application/json' } };
  if (body !== undefined) init.body = JSON.stringify(body);
  const answer = await fetch(`${process.env.MOCK_URL}${path}`, init);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`the scripted upstream: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

/** The next answers to `POST /v1/messages`, or to the `path` they name, in order. */
export const script = (...answers) => call('POST', '/__mock/script', answers);

/** What reached the upstream since the last `reset`. */
export const journal = async () => (await call('GET', '/__mock/journal')).entries;

/** Conversations and files of the web surface. */
export const web = () => call('GET', '/__mock/web');

/** Forgets the script and the journal. */
export async function reset() {
  await call('DELETE', '/__mock/script');
  await call('DELETE', '/__mock/journal');
}

/** Asks again and again until `condition` holds; false when it never did. */
export async function until(condition, ms) {
  const end = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > end) return false;
    await pause(20);
  }
  return true;
}

/** A JSON answer. */
export const answer = (body, status = 200, headers = []) => ({
  status,
  headers: [['content-type', 'application/json'], ...headers],
  body: JSON.stringify(body),
});

/** An answer in the error envelope of the Messages API. */
export const failure = (status, type, message, headers = []) =>
  answer({ type: 'error', error: { type, message }, request_id: 'req_up' }, status, headers);

/** A finished message. */
export const message = (content, stop_reason = 'end_turn') => ({
  id: 'msg_scripted',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-5',
  content,
  stop_reason,
  stop_sequence: null,
  usage: USAGE,
});

/** A server-sent event stream of `events`. */
export const stream = (events, settings = {}) => ({
  events: { raw: events.map((e) => `event: ${e.type}\ndata: ${JSON.stringify(e)}\n\n`) },
  ...settings,
});

/** The events of a whole message; `blocks` are pairs of a block's start and its deltas. */
export function events(blocks, stop_reason = 'end_turn') {
  const opening = { ...message([], null), usage: { ...USAGE, output_tokens: 1 } };
  return [
    { type: 'message_start', message: opening },
    { type: 'ping' },
    ...blocks.flatMap(([content_block, deltas], index) => [
      { type: 'content_block_start', index, content_block },
      ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
      { type: 'content_block_stop', index },
    ]),
    { type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage: USAGE },
    { type: 'message_stop' },
  ];
}

/** A text block and its deltas, for `events`. */
export const textBlock = (...parts) => [
  { type: 'text', text: '' },
  parts.map((text) => ({ type: 'text_delta', text })),
];
