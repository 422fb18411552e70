"""Web sessions through the official Python SDK: the same messages as from an account with an API key.

Each case is asked twice, of an account with a key in front of the scripted Messages API and of a web session in front of
the scripted web surface; what the SDK makes of the answers must have the same structure.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest
from anthropic import beta_tool

import upstream

URL = os.environ["TROUPE_URL"]
KEYS = {"api": os.environ["TROUPE_KEY"], "web": os.environ["TROUPE_WEB_KEY"]}
MODEL = "claude-sonnet-5"
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
STREAMS = pytest.mark.parametrize("stream", [True, False])

TEXT = ({"type": "text", "text": ""}, [{"type": "text_delta", "text": "Words."}])
THINKING = (
    {"type": "thinking", "thinking": "", "signature": ""},
    [
        {"type": "thinking_delta", "thinking": "Hm."},
        {"type": "signature_delta", "signature": "c2lnbmF0dXJl"},
    ],
)


def call(number: int, name: str = "get_weather") -> tuple[dict, list[dict]]:
    block = {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": {}}
    return block, [{"type": "input_json_delta", "partial_json": '{"location": "Paris"}'}]


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    upstream.reset()
    yield
    upstream.reset()


def client(kind: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=URL, api_key=KEYS[kind], max_retries=0, timeout=60)


def whole(block: dict, deltas: list[dict]) -> dict:
    """A block as it stands in a JSON answer."""
    done = dict(block)
    for delta in deltas:
        if delta["type"] == "input_json_delta":
            done["input"] = {"location": "Paris"}
        else:
            member = delta["type"].removesuffix("_delta")
            done[member] = done[member] + delta[member]
    return done


def scripted(stream: bool, *blocks: tuple[dict, list[dict]], reason: str, sequence: str | None):
    """What the Messages API answers."""
    if not stream:
        message = upstream.message(*[whole(*block) for block in blocks], stop_reason=reason)
        return upstream.answer(message | {"stop_sequence": sequence})
    events = upstream.events(*blocks, stop_reason=reason)
    events[-2]["delta"]["stop_sequence"] = sequence
    return upstream.stream(*events)


def say(stream: bool, *blocks, reason: str = "end_turn", sequence: str | None = None) -> None:
    upstream.script(scripted(stream, *blocks, reason=reason, sequence=sequence))


def shape(message: Any) -> tuple:
    """What must not depend on the kind of the account."""
    assert message.type == "message" and message.role == "assistant"
    assert message.id and message.model == MODEL
    assert message.usage.input_tokens > 0 and message.usage.output_tokens > 0
    for block in message.content:
        members = {name for name, value in block.model_dump().items() if value is not None}
        # Structured output and citations of the SDK's own.
        members -= {"parsed_output", "citations", "caller"}
        assert members == {
            "text": {"type", "text"},
            "thinking": {"type", "thinking", "signature"},
            "tool_use": {"type", "id", "name", "input"},
        }[block.type], block
    return [block.type for block in message.content], message.stop_reason, message.stop_sequence


def ask(kind: str, stream: bool, content: Any, **fields: Any):
    fields = {
        "model": MODEL,
        "max_tokens": 2048,
        "messages": [{"role": "user", "content": content}],
    } | fields
    if not stream:
        return client(kind).messages.create(**fields)
    with client(kind).messages.stream(**fields) as events:
        kinds = [event.type for event in events]
        assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
        assert kinds.count("content_block_start") == kinds.count("content_block_stop")
        return events.get_final_message()


def both(stream: bool, api: Callable[[], None], content: Any, **fields: Any) -> list[Any]:
    """The message of each kind, which must be of one shape."""
    api()
    by_key = ask("api", stream, content, **fields)
    by_web = ask("web", stream, content, **fields)
    assert shape(by_web) == shape(by_key)
    return [by_key, by_web]


@STREAMS
def test_text(stream: bool):
    _, answer = both(stream, lambda: say(stream, TEXT), "Hello [[mock:web_text]]")
    assert answer.content[0].text.startswith("This is a scripted answer.")


@STREAMS
def test_thinking(stream: bool):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    content = "Hello [[mock:web_thinking]]"
    _, answer = both(stream, lambda: say(stream, THINKING, TEXT), content, thinking=thinking)
    assert answer.content[0].thinking and answer.content[0].signature
    # Nobody asked for it.
    both(stream, lambda: say(stream, TEXT), content)


@STREAMS
def test_image(stream: bool):
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "[[mock:web_text]]"}]
    _, answer = both(stream, lambda: say(stream, TEXT), content)
    assert "Files: 1." in answer.content[0].text
    assert upstream.web()["files"][-1]["content_type"] == "image/png"


@STREAMS
def test_stop_sequence(stream: bool):
    content = "Hello [[mock:web_stop_bait]]"

    def api() -> None:
        say(stream, TEXT, reason="stop_sequence", sequence="HALT")

    _, answer = both(stream, api, content, stop_sequences=["HALT", "NEVER"])
    assert answer.content[0].text == "Words, HAL and more before the "


@STREAMS
@pytest.mark.parametrize(
    ("scenario", "rounds"),
    [
        ("web_one_tool", [[call(1)], [TEXT]]),
        ("web_two_tools", [[TEXT, call(1), call(2)], [TEXT]]),
        ("web_tool_chain", [[call(1)], [call(2)], [TEXT]]),
    ],
)
def test_tool_loop(stream: bool, scenario: str, rounds: list):
    """The SDK's own loop: it runs the tools and sends their results until the model is done."""

    @beta_tool
    def get_weather(location: str) -> str:
        """The weather of a place.

        Args:
            location: Where.
        """
        return f"18 degrees in {location}"

    def loop(kind: str) -> list[Any]:
        runner = client(kind).beta.messages.tool_runner(
            model=MODEL,
            max_tokens=2048,
            tools=[get_weather],
            messages=[{"role": "user", "content": f"Hello [[mock:{scenario}]]"}],
            stream=stream,
        )
        if not stream:
            return list(runner)
        return [events.get_final_message() for events in runner]

    last = len(rounds) - 1
    reasons = ["end_turn" if at == last else "tool_use" for at in range(len(rounds))]
    upstream.script(
        *[
            scripted(stream, *blocks, reason=reason, sequence=None)
            for blocks, reason in zip(rounds, reasons, strict=True)
        ]
    )
    by_key = loop("api")
    before = len(upstream.web()["conversations"])
    by_web = loop("web")
    assert [shape(message) for message in by_web] == [shape(message) for message in by_key]
    assert "18 degrees in Paris" in by_web[-1].content[-1].text
    (conversation,) = upstream.web()["conversations"][before:]
    calls = sum(block[0]["type"] == "tool_use" for blocks in rounds for block in blocks)
    assert (conversation["completions"], len(conversation["tool_results"])) == (1, calls)


@STREAMS
def test_fault_is_of_the_same_kind(stream: bool):
    """What neither can do is the same exception, and the web session's account is not in it."""
    upstream.script(upstream.error(400, "invalid_request_error", "as scripted"))
    with pytest.raises(anthropic.BadRequestError):
        ask("api", stream, "Hello")
    choice = {"type": "any"}
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    with pytest.raises(anthropic.BadRequestError) as caught:
        ask("web", stream, "Hello", tool_choice=choice, tools=tools)
    assert "web session account" in str(caught.value)


def test_broken_stream():
    with pytest.raises(anthropic.APIStatusError):
        ask("web", True, "Hello [[mock:web_mid_error]]")
    # It is avoided for a moment, but nobody else is there.
    assert ask("web", True, "Hello [[mock:web_text]]").stop_reason == "end_turn"


def test_left_in_mid_stream():
    with client("web").messages.stream(
        model=MODEL,
        max_tokens=64,
        messages=[{"role": "user", "content": "Hello [[mock:web_endless]]"}],
    ) as stream:
        next(iter(stream.text_stream))
    gone = upstream.until(lambda: upstream.web()["alive"] == 0 == upstream.web()["running"], 10)
    assert gone, upstream.web()
