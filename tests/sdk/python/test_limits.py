"""What the official Python SDK makes of the gateway's own limits: it waits for a throttle, and for nothing else.

Run by `tests/it/sdk.rs`, which gives keys their limits: TROUPE_LIMITED_KEY (one request at once, and limits that are
never reached), TROUPE_SPEND_KEY (one cent a month), TROUPE_SMALL_KEY (ten tokens an hour), TROUPE_MINUTE_KEY (one
request a minute).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import anthropic
import pytest

import upstream

URL = os.environ["TROUPE_URL"]
LIMITED, SPEND, SMALL, MINUTE = (
    os.environ[f"TROUPE_{name}_KEY"] for name in ("LIMITED", "SPEND", "SMALL", "MINUTE")
)
REQUEST = {
    "model": "claude-sonnet-5",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Hello"}],
}
# What an SDK that slept would take longer than.
AT_ONCE_S = 5


def client(key: str, **options) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=URL, api_key=key, timeout=60, **options)


@pytest.fixture(autouse=True)
def clean() -> None:
    upstream.reset()


def refused(call: Callable[[], object]) -> anthropic.APIStatusError:
    """The error that `call` raises at once, with the SDK's own retries on, without a word to the upstream."""
    upstream.reset()
    began = time.monotonic()
    with pytest.raises(anthropic.APIStatusError) as caught:
        call()
    assert time.monotonic() - began < AT_ONCE_S
    assert upstream.journal() == []
    assert "x-api-key" not in str(caught.value.body)
    return caught.value


def test_a_throttle_is_waited_for():
    """One stream holds the key's only slot; the SDK comes back until it is free."""
    words = upstream.events(upstream.text_block(*["word "] * 10))
    upstream.script(upstream.stream(*words, event_delay_ms=100))
    with client(LIMITED).messages.stream(**REQUEST) as stream:
        assert next(iter(stream.text_stream)) == "word "
        patient = client(LIMITED, max_retries=5)
        answer = patient.messages.with_raw_response.create(**REQUEST)
    assert answer.retries_taken >= 1
    assert answer.parse().content


def test_a_throttle_says_how_long():
    """The minute may end between the two requests, but not twice."""
    impatient = client(MINUTE, max_retries=0)
    with pytest.raises(anthropic.RateLimitError) as caught:
        for _ in range(3):
            impatient.messages.create(**REQUEST)
    error = caught.value
    seconds = int(error.response.headers["retry-after"])
    assert 1 <= seconds <= 60
    assert "x-should-retry" not in error.response.headers
    assert error.body["retry_after"] == seconds
    assert error.body["limits"]["requests"]["remaining"] == 0
    text = error.body["error"]["message"]
    assert text.startswith("Rate limit exceeded: 1 requests per minute for key ")
    assert text.endswith(f"; retry in {seconds} s")
    assert "x-api-key" not in str(error.body)


def test_spent_money_is_an_error_at_once():
    costly = upstream.message({"type": "text", "text": "dear"})
    costly["usage"] = {"input_tokens": 1_000_000, "output_tokens": 7}
    upstream.script(upstream.answer(costly))
    client(SPEND).messages.create(**REQUEST)
    error = refused(lambda: client(SPEND).messages.create(**REQUEST))
    assert type(error) is anthropic.RateLimitError
    assert error.body["error"]["type"] == "billing_error"
    assert error.body["error"]["message"].startswith("spend limit reached · resets ")
    assert error.body["error"]["message"].endswith(" · ask the operator")
    headers = error.response.headers
    assert headers["x-should-retry"] == "false"
    assert headers["anthropic-ratelimit-unified-status"] == "rejected"
    assert int(headers["retry-after"]) > 0
    # Counting costs nothing.
    upstream.script(upstream.answer({"input_tokens": 3}) | {"path": "/v1/messages/count_tokens"})
    counted = client(SPEND).messages.count_tokens(
        model=REQUEST["model"], messages=REQUEST["messages"]
    )
    assert counted.input_tokens == 3


def test_what_can_never_fit_is_an_error_at_once():
    error = refused(lambda: client(SMALL).messages.create(**REQUEST))
    assert type(error) is anthropic.BadRequestError
    assert error.body["error"]["type"] == "invalid_request_error"
    assert "10 tokens per hour" in error.body["error"]["message"]
    assert error.response.headers["x-should-retry"] == "false"


def test_success_tells_what_is_left():
    def left() -> int:
        answer = client(LIMITED).messages.with_raw_response.create(**REQUEST)
        headers = answer.headers
        assert headers["anthropic-ratelimit-requests-limit"] == "1000"
        assert headers["anthropic-ratelimit-unified-status"] == "allowed"
        assert '"requests-month";q=1000;w=' in headers["ratelimit-policy"]
        assert '"requests-month";r=' in headers["ratelimit"]
        return int(headers["anthropic-ratelimit-requests-remaining"])

    first = left()
    assert left() == first - 1
