"""The official Python SDK against the gateway, in front of the scripted upstream.

Run by `tests/it/sdk.rs`, which sets TROUPE_URL, TROUPE_KEY and MOCK_URL.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import anthropic
import pytest

import upstream

URL = os.environ["TROUPE_URL"]
KEY = os.environ["TROUPE_KEY"]
MODEL = "claude-sonnet-5"
HELLO = [{"role": "user", "content": "Hello"}]
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a place",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def client(**options) -> anthropic.Anthropic:
    options = {"base_url": URL, "api_key": KEY, "max_retries": 0, "timeout": 60} | options
    return anthropic.Anthropic(**options)


def create(of: anthropic.Anthropic | None = None, **fields):
    fields = {"model": MODEL, "max_tokens": 64, "messages": HELLO} | fields
    return (of or client()).messages.create(**fields)


def open_stream(**fields):
    fields = {"model": MODEL, "max_tokens": 64, "messages": HELLO} | fields
    return client().messages.stream(**fields)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """An empty script, and an account that is not cooling down from the test before."""
    upstream.reset()

    def serves() -> bool:
        try:
            create()
            return True
        except anthropic.APIStatusError:
            return False

    assert upstream.until(serves, 60), "the account never came back into service"
    upstream.reset()
    yield


def test_create():
    upstream.script(upstream.answer(upstream.message({"type": "text", "text": "Hello, you."})))
    answer = create(system="Be brief.", metadata={"user_id": "u-1"})
    assert answer.content[0].text == "Hello, you."
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 7)
    assert answer._request_id, "every answer carries the gateway's request-id"


def test_the_gateway_key_never_reaches_the_upstream():
    create()
    (request,) = upstream.journal()
    assert KEY not in str(request)


@pytest.mark.parametrize("credential", [{"api_key": KEY}, {"api_key": None, "auth_token": KEY}])
def test_both_credential_headers(credential):
    upstream.script(upstream.answer(upstream.message({"type": "text", "text": "in"})))
    assert create(client(**credential)).content[0].text == "in"


def test_stream_text():
    parts = ["Once ", "upon ", "a time … ", "日本"]
    events = upstream.events(upstream.text_block(*parts))
    upstream.script(upstream.stream(*events, event_delay_ms=5))
    with open_stream() as stream:
        assert list(stream.text_stream) == parts
        final = stream.get_final_message()
    assert final.content[0].text == "".join(parts)
    assert final.usage.output_tokens == 7


def test_raw_stream_events():
    upstream.script(upstream.stream(*upstream.events(upstream.text_block("a", "b"))))
    kinds = [event.type for event in create(stream=True)]
    assert kinds[0] == "message_start"
    assert kinds.count("content_block_delta") == 2
    assert kinds[-1] == "message_stop"


def test_stream_tool_use():
    block = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}
    parts = ['{"ci', 'ty": "Pa', 'ris"}']
    deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
    events = upstream.events((block, deltas), stop_reason="tool_use")
    upstream.script(upstream.stream(*events))
    with open_stream(tools=[WEATHER]) as stream:
        final = stream.get_final_message()
    assert final.stop_reason == "tool_use"
    assert final.content[0].input == {"city": "Paris"}


def test_tool_round_trip():
    use = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}}
    upstream.script(
        upstream.answer(upstream.message(use, stop_reason="tool_use")),
        upstream.answer(upstream.message({"type": "text", "text": "18 degrees."})),
    )
    first = create(tools=[WEATHER])
    assert first.content[0].name == "get_weather"
    result = {"type": "tool_result", "tool_use_id": first.content[0].id, "content": "18"}
    said = [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = create(tools=[WEATHER], messages=HELLO + said)
    assert second.content[0].text == "18 degrees."


def test_stream_thinking():
    thinking = [
        {"type": "thinking_delta", "thinking": "Let me "},
        {"type": "thinking_delta", "thinking": "see."},
        {"type": "signature_delta", "signature": "c2lnbmF0dXJl"},
    ]
    block = {"type": "thinking", "thinking": "", "signature": ""}
    events = upstream.events((block, thinking), upstream.text_block("Four."))
    upstream.script(upstream.stream(*events))
    budget = {"type": "enabled", "budget_tokens": 1024}
    with open_stream(max_tokens=2048, thinking=budget) as stream:
        final = stream.get_final_message()
    assert final.content[0].thinking == "Let me see."
    assert final.content[0].signature == "c2lnbmF0dXJl"
    assert final.content[1].text == "Four."


# What the upstream answers (often enough for every attempt) and what the SDK must raise. Each
# has a model of its own: the gateway may remember a fault per model.
RELAYED = [
    (400, "invalid_request_error", anthropic.BadRequestError),
    (404, "not_found_error", anthropic.NotFoundError),
    (413, "request_too_large", anthropic.ContentTooLargeError),
    (429, "rate_limit_error", anthropic.RateLimitError),
    (500, "api_error", anthropic.InternalServerError),
    (529, "overloaded_error", anthropic.OverloadedError),
]


@pytest.mark.parametrize(("status", "kind", "raised"), RELAYED)
def test_error_is_relayed(status, kind, raised):
    headers = {"retry_after": "1"} if status == 429 else {}
    upstream.script(*[upstream.error(status, kind, "as scripted", **headers)] * 5)
    with pytest.raises(anthropic.APIStatusError) as caught:
        create(model=f"claude-python-{status}")
    assert type(caught.value) is raised
    assert caught.value.status_code == status
    assert caught.value.body["error"] == {"type": kind, "message": "as scripted"}
    assert caught.value.request_id not in (None, "req_up")


def test_request_fault_is_not_retried():
    upstream.script(*[upstream.error(400, "invalid_request_error", "as scripted")] * 3)
    with pytest.raises(anthropic.BadRequestError):
        create()
    assert len(upstream.journal()) == 1


def test_fault_of_the_account_is_not_relayed():
    upstream.script(*[upstream.error(403, "permission_error", "not this account")] * 5)
    with pytest.raises(anthropic.APIStatusError) as caught:
        create(model="claude-python-403")
    assert type(caught.value) is anthropic.ServiceUnavailableError
    assert "not this account" not in str(caught.value.body)


def test_unknown_key():
    with pytest.raises(anthropic.AuthenticationError) as caught:
        create(client(api_key="troupe-nobody-has-this-key-0000"))
    assert caught.value.body["error"]["type"] == "authentication_error"
    assert upstream.journal() == []


def test_listing_of_a_shared_account_is_refused():
    with pytest.raises(anthropic.PermissionDeniedError):
        client().messages.batches.list()
    assert upstream.journal() == []


def test_error_after_the_first_event():
    events = upstream.events(upstream.text_block("Half a "))[:4]
    failure = {"type": "error", "error": {"type": "overloaded_error", "message": "midway"}}
    upstream.script(upstream.stream(*events, failure))
    with pytest.raises(anthropic.APIStatusError) as caught, open_stream() as stream:
        stream.until_done()
    assert "midway" in str(caught.value.body)


def test_cut_stream_is_an_error():
    """The SDK takes a cleanly ended stream for whole; the gateway says that it was cut."""
    upstream.script(upstream.stream(*upstream.events(upstream.text_block("Half a "))[:4]))
    with pytest.raises(anthropic.APIStatusError), open_stream() as stream:
        stream.until_done()


def test_count_tokens():
    counted = upstream.answer({"input_tokens": 42})
    upstream.script(counted | {"path": "/v1/messages/count_tokens"})
    assert client().messages.count_tokens(model=MODEL, messages=HELLO).input_tokens == 42


def test_models():
    listed = client().models.list(limit=100)
    ids = [model.id for model in listed]
    assert ids
    one = client().models.retrieve(ids[0])
    assert one.id == ids[0]
    assert one.display_name
    with pytest.raises(anthropic.NotFoundError):
        client().models.retrieve("claude-nobody-made-this")


def test_models_in_pages():
    whole = [model.id for model in client().models.list(limit=1000)]
    paged = [model.id for model in client().models.list(limit=2)]
    assert paged == whole


def test_abort_in_mid_stream():
    """Who leaves a stream ends it upstream too, and the account serves the next request."""
    parts = upstream.text_block(*["word "] * 200)
    upstream.script(upstream.stream(*upstream.events(parts), event_delay_ms=50))
    with open_stream() as stream:
        assert next(iter(stream.text_stream)) == "word "
    cancelled = upstream.until(lambda: upstream.journal()[0]["aborted_at_ms"] is not None, 2)
    assert cancelled, "the upstream still sends to nobody"
    upstream.script(upstream.answer(upstream.message({"type": "text", "text": "next"})))
    assert create().content[0].text == "next"
