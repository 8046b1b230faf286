"""An OpenAI-compatible server whose model is a set of heuristics.

It knows nothing but the messages it is sent: the role from the name of the requested schema, the
item from the fences. Answers depend on the message and the seed alone.
"""

import argparse
import asyncio
import json
import socket
import sys
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from carebot_assets.teacher.fence import unwrap
from carebot_assets.teacher.offline import heuristics

MODEL = "offline-heuristic-teacher"


def create_app(disagreement_rate: float) -> Starlette:
    """The server's application.

    Args:
        disagreement_rate: share of items about which two rounds do not agree.
    """

    async def complete(request: Request) -> JSONResponse:
        try:
            body = json.loads(await request.body())
            text = _answer(body, disagreement_rate)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            message = f"{type(error).__name__}: {error}"
            return JSONResponse(
                {"error": {"message": message, "type": "invalid_request_error"}}, status_code=400
            )
        return JSONResponse(_completion(body, text))

    async def models(request: Request) -> JSONResponse:
        model = {"id": MODEL, "object": "model", "owned_by": "carebot_assets"}
        return JSONResponse({"object": "list", "data": [model]})

    return Starlette(
        routes=[
            Route("/v1/chat/completions", complete, methods=["POST"]),
            Route("/v1/models", models),
        ]
    )


def _answer(body: dict[str, Any], disagreement_rate: float) -> str:
    role = body["response_format"]["json_schema"]["name"]
    message = next(m["content"] for m in body["messages"] if m["role"] == "user")
    trusted, untrusted = unwrap(message)
    doubt = heuristics.Doubt(disagreement_rate, body.get("seed") or 0, message)
    return json.dumps(heuristics.answer(role, trusted, untrusted, doubt), ensure_ascii=False)


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
    parser.add_argument("--disagreement-rate", type=float, default=0.0)
    arguments = parser.parse_args()
    listener = socket.socket(fileno=arguments.fd)
    asyncio.run(_serve(listener, create_app(arguments.disagreement_rate)))


if __name__ == "__main__":
    main()
