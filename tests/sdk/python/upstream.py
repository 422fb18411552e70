"""The scripted upstream's side of a test: what it shall answer, and what reached it."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Callable
from typing import Any

MOCK_URL = os.environ["MOCK_URL"]

USAGE = {"input_tokens": 12, "output_tokens": 7}


def _call(method: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{MOCK_URL}{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def script(*answers: dict[str, Any]) -> None:
    """The next answers to `POST /v1/messages`, or to the `path` they name, in order."""
    _call("POST", "/__mock/script", list(answers))


def journal() -> list[dict[str, Any]]:
    """What reached the upstream since the last `reset`."""
    return _call("GET", "/__mock/journal")["entries"]


def web() -> dict[str, Any]:
    """Conversations and files of the web surface."""
    return _call("GET", "/__mock/web")


def reset() -> None:
    """Forgets the script and the journal."""
    _call("DELETE", "/__mock/script")
    _call("DELETE", "/__mock/journal")


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Asks again and again until `condition` holds; false when it never did."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def answer(body: Any, status: int = 200, **headers: str) -> dict[str, Any]:
    """A JSON answer. Header names are written with underscores."""
    named = [[name.replace("_", "-"), value] for name, value in headers.items()]
    return {
        "status": status,
        "headers": [["content-type", "application/json"], *named],
        "body": json.dumps(body),
    }


def error(status: int, kind: str, message: str, **headers: str) -> dict[str, Any]:
    """An answer in the error envelope of the Messages API."""
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_up"}
    return answer(body, status, **headers)


def message(*content: dict[str, Any], stop_reason: str = "end_turn") -> dict[str, Any]:
    """A finished message."""
    return {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5",
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": USAGE,
    }


def stream(*events: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """A server-sent event stream of `events`."""
    raw = [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events]
    return {"events": {"raw": raw}, **settings}


def events(*blocks: tuple[dict, list[dict]], stop_reason: str = "end_turn") -> list[dict]:
    """The events of a whole message: per block its start and its deltas."""
    opening = message() | {"stop_reason": None, "usage": USAGE | {"output_tokens": 1}}
    found: list[dict] = [{"type": "message_start", "message": opening}, {"type": "ping"}]
    for index, (block, deltas) in enumerate(blocks):
        found.append({"type": "content_block_start", "index": index, "content_block": block})
        for delta in deltas:
            found.append({"type": "content_block_delta", "index": index, "delta": delta})
        found.append({"type": "content_block_stop", "index": index})
    ending = {"stop_reason": stop_reason, "stop_sequence": None}
    found.append({"type": "message_delta", "delta": ending, "usage": USAGE})
    found.append({"type": "message_stop"})
    return found


def text_block(*parts: str) -> tuple[dict, list[dict]]:
    """A text block and its deltas, for `events`."""
    return {"type": "text", "text": ""}, [{"type": "text_delta", "text": p} for p in parts]
