"""An OpenAI-compatible server whose model is a set of heuristics.

It knows nothing but the messages it is sent: the role from the name of the requested schema, the
item from the fences. Answers depend on the message and the seed alone.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import sys
from collections import Counter
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from carebot_assets.settings import OfflineTeacherSettings
from carebot_assets.teacher.fence import unwrap
from carebot_assets.teacher.offline import heuristics
from carebot_assets.teacher.offline.batches import Batches
from carebot_assets.teacher.offline.faults import Faults

MODEL = "offline-heuristic-teacher"
FOREVER_SECONDS = 24 * 3600.0


def create_app(settings: OfflineTeacherSettings) -> Starlette:
    """The server's application.

    `GET /v1/offline/stats` tells how many answers were given and how many of them to a request that
    had had a good one before: what a real endpoint would have charged twice.
    """
    faults = Faults(settings.faults)
    served: Counter[str] = Counter()

    def completion(body: dict[str, Any]) -> dict[str, Any]:
        item = _identity(body)
        text = _answer(body, settings.disagreement_rate)
        if faults.strikes("truncated", item):
            text = text[: len(text) // 2]
        elif faults.strikes("invalid", item):
            text = json.dumps({"answer_in": "another form"})
        else:
            served[item] += 1
        return _completion(body, text)

    async def complete(request: Request) -> Response:
        try:
            body = json.loads(await request.body())
            item = _identity(body)
            struck = await _misbehave(faults, item)
            if struck is not None:
                return struck
            answer = completion(body)
        except (ValueError, KeyError, TypeError, IndexError, StopIteration) as error:
            message = f"{type(error).__name__}: {error}"
            return JSONResponse(
                {"error": {"message": message, "type": "invalid_request_error"}}, status_code=400
            )
        return JSONResponse(answer)

    async def models(request: Request) -> JSONResponse:
        model = {"id": MODEL, "object": "model", "owned_by": "carebot_assets"}
        return JSONResponse({"object": "list", "data": [model]})

    async def stats(request: Request) -> JSONResponse:
        num = sum(served.values())
        return JSONResponse({"num_served": num, "num_repeated": num - len(served)})

    return Starlette(
        routes=[
            Route("/v1/chat/completions", complete, methods=["POST"]),
            Route("/v1/models", models),
            Route("/v1/offline/stats", stats),
            *Batches(completion, faults).routes(),
        ]
    )


async def _misbehave(faults: Faults, item: str) -> Response | None:
    """The fault that strikes a request instead of its answer, if one does."""
    settings = faults.settings
    await asyncio.sleep(settings.slow_seconds)
    if faults.strikes("hang", item):
        with contextlib.suppress(asyncio.CancelledError):  # the server stops
            await asyncio.sleep(FOREVER_SECONDS)
        return Response(status_code=503)
    for kind, code in (("rate_limit", 429), ("server_error", 500)):
        if faults.strikes(kind, item):
            error = {"message": f"{kind} on purpose", "type": kind}
            wait = settings.retry_after_seconds
            headers = {"retry-after": str(wait), "retry-after-ms": str(1000 * wait)}
            return JSONResponse({"error": error}, code, headers)
    if faults.strikes("broken_response", item):
        # Half of what is announced: the connection breaks in the middle of the body.
        return Response(b'{"id": "offl', 200, {"content-length": "4096"}, "application/json")
    return None


def _identity(body: dict[str, Any]) -> str:
    """What stays the same of a request that is repeated, or sent back with a note."""
    first = next(m["content"] for m in body["messages"] if m["role"] == "user")
    return f"{body.get('seed')}\0{body['response_format']['json_schema']['name']}\0{first}"


def _answer(body: dict[str, Any], disagreement_rate: float) -> str:
    role = body["response_format"]["json_schema"]["name"]
    message = next(m["content"] for m in body["messages"] if m["role"] == "user")
    trusted, untrusted = unwrap(message)
    seed = body.get("seed") or 0
    value = heuristics.answer(role, trusted, untrusted, disagreement_rate, seed)
    return json.dumps(value, ensure_ascii=False)


def _completion(body: dict[str, Any], text: str) -> dict[str, Any]:
    asked = sum(_num_tokens(message["content"]) for message in body["messages"])
    answered = _num_tokens(text)
    return {
        "id": "offline",
        "object": "chat.completion",
        "created": 0,
        "model": body.get("model", MODEL),
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text},
            }
        ],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "total_tokens": asked + answered,
        },
    }


def _num_tokens(text: str) -> int:
    """About what a tokenizer would give: three bytes of UTF-8 a token."""
    return len(text.encode("utf-8", "replace")) // 3 + 1


async def _serve(listener: socket.socket, app: Starlette) -> None:
    config = uvicorn.Config(app, access_log=False, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    # The parent holds the other end of standard input; its end is the order to stop.
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def stop_with_parent() -> None:
        await reader.read()
        server.should_exit = server.force_exit = True

    watch = asyncio.create_task(stop_with_parent())
    await server.serve(sockets=[listener])
    watch.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description="Offline heuristic teacher")
    parser.add_argument("--fd", type=int, required=True, help="listening socket to inherit")
    parser.add_argument("--settings", default="{}", help="OfflineTeacherSettings as JSON")
    arguments = parser.parse_args()
    settings = OfflineTeacherSettings.model_validate_json(arguments.settings)
    listener = socket.socket(fileno=arguments.fd)
    asyncio.run(_serve(listener, create_app(settings)))


if __name__ == "__main__":
    main()
