"""The Batch API of the offline server: files in, batches worked off as they are asked about."""

import json
import time
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from carebot_assets.teacher.offline.faults import Faults

# Work done within one request for a batch's state: more would keep other requests waiting.
SLICE = 200
WINDOW_SECONDS = 24 * 3600

Complete = Callable[[dict[str, Any]], dict[str, Any]]


class Batches:
    """Files and batches in memory.

    Args:
        complete: a chat completion out of its request; raises ValueError for a bad one.
        faults: what goes wrong on purpose.
    """

    def __init__(self, complete: Complete, faults: Faults) -> None:
        self._complete, self._faults = complete, faults
        self._files: dict[str, bytes] = {}
        self._batches: dict[str, dict[str, Any]] = {}
        self._work: dict[str, list[dict[str, Any]]] = {}
        self._lines: dict[str, tuple[list[str], list[str]]] = {}

    def routes(self) -> list[Route]:
        return [
            Route("/v1/files", self.upload, methods=["POST"]),
            Route("/v1/files/{id}/content", self.content),
            Route("/v1/batches", self.create, methods=["POST"]),
            Route("/v1/batches", self.list),
            Route("/v1/batches/{id}", self.retrieve),
            Route("/v1/batches/{id}/cancel", self.cancel, methods=["POST"]),
        ]

    async def upload(self, request: Request) -> JSONResponse:
        async with request.form(max_part_size=2**28) as form:
            file = form["file"]
            data = await file.read()  # type: ignore[union-attr]
        file_id = self._keep(data)
        return JSONResponse(
            {"id": file_id, "object": "file", "bytes": len(data), "created_at": int(time.time()),
             "filename": f"{file_id}.jsonl", "purpose": "batch", "status": "processed"}
        )  # fmt: skip

    async def content(self, request: Request) -> Response:
        data = self._files.get(request.path_params["id"])
        return _missing("file") if data is None else Response(data)

    async def create(self, request: Request) -> JSONResponse:
        body = await request.json()
        data = self._files.get(body["input_file_id"])
        if data is None:
            return _missing("file")
        now = int(time.time())
        batch = {
            "id": f"batch_{len(self._batches):06d}",
            "object": "batch",
            "endpoint": body["endpoint"],
            "completion_window": body["completion_window"],
            "input_file_id": body["input_file_id"],
            "metadata": body.get("metadata"),
            "status": "validating",
            "created_at": now,
            "expires_at": now + WINDOW_SECONDS,
        }
        lines = [json.loads(line) for line in data.split(b"\n") if line.strip()]
        batch["request_counts"] = {"total": len(lines), "completed": 0, "failed": 0}
        self._batches[batch["id"]] = batch
        self._work[batch["id"]], self._lines[batch["id"]] = lines, ([], [])
        if len({line["custom_id"] for line in lines}) != len(lines):
            problem = {"code": "duplicate_custom_id", "message": "custom ids repeat"}
            batch |= {"status": "failed", "errors": {"object": "list", "data": [problem]}}
        return JSONResponse(batch)

    async def list(self, request: Request) -> JSONResponse:
        newest_first = sorted(self._batches, reverse=True)
        after, limit = request.query_params.get("after"), int(request.query_params.get("limit", 20))
        start = newest_first.index(after) + 1 if after else 0
        page = newest_first[start : start + limit]
        return JSONResponse(
            {
                "object": "list",
                "data": [self._batches[batch_id] for batch_id in page],
                "first_id": page[0] if page else None,
                "last_id": page[-1] if page else None,
                "has_more": start + limit < len(newest_first),
            }
        )

    async def retrieve(self, request: Request) -> JSONResponse:
        batch = self._batches.get(request.path_params["id"])
        if batch is None:
            return _missing("batch")
        seen = JSONResponse(batch)
        if batch["status"] in ("validating", "in_progress"):
            self._advance(batch)
        return seen

    async def cancel(self, request: Request) -> JSONResponse:
        batch = self._batches.get(request.path_params["id"])
        if batch is None:
            return _missing("batch")
        if batch["status"] in ("validating", "in_progress"):
            self._end(batch, "cancelled")
        return JSONResponse(batch)

    def _advance(self, batch: dict[str, Any]) -> None:
        work = self._work[batch["id"]]
        batch["status"] = "in_progress"
        if self._faults.strikes("batch_expired", batch["input_file_id"]):
            # Half of the work is done when the window closes.
            num_done = (len(work) + 1) // 2
            for line in work[:num_done]:
                self._answer(batch, line)
            for line in work[num_done:]:
                self._refuse(batch, line["custom_id"], "batch_expired", "the window has closed")
            self._end(batch, "expired")
            return
        for line in work[:SLICE]:
            self._answer(batch, line)
        del work[:SLICE]
        if not work:
            self._end(batch, "completed")

    def _answer(self, batch: dict[str, Any], line: dict[str, Any]) -> None:
        custom_id = line["custom_id"]
        if self._faults.strikes("batch_error", custom_id):
            self._refuse(batch, custom_id, "server_error", "an error on purpose")
            return
        try:
            body = self._complete(line["body"])
        except (ValueError, KeyError, TypeError, IndexError) as error:
            self._refuse(batch, custom_id, "invalid_request", str(error), status_code=400)
            return
        response = {"status_code": 200, "request_id": custom_id, "body": body}
        text = json.dumps({"id": custom_id, "custom_id": custom_id, "response": response})
        times = 2 if self._faults.strikes("batch_duplicate", custom_id) else 1
        self._lines[batch["id"]][0].extend([text] * times)
        batch["request_counts"]["completed"] += 1

    def _refuse(
        self,
        batch: dict[str, Any],
        custom_id: str,
        code: str,
        message: str,
        status_code: int | None = None,
    ) -> None:
        line: dict[str, Any] = {"id": custom_id, "custom_id": custom_id, "response": None}
        if status_code is None:
            line["error"] = {"code": code, "message": message}
        else:
            body = {"error": {"code": code, "message": message}}
            line["response"] = {"status_code": status_code, "request_id": "", "body": body}
        self._lines[batch["id"]][1].append(json.dumps(line))
        batch["request_counts"]["failed"] += 1

    def _end(self, batch: dict[str, Any], status: str) -> None:
        good, bad = self._lines[batch["id"]]
        for name, lines in (("output_file_id", good), ("error_file_id", bad)):
            if lines:
                batch[name] = self._keep("\n".join(lines).encode() + b"\n")
        ended = {"completed": "completed_at", "expired": "expired_at", "cancelled": "cancelled_at"}
        batch |= {"status": status, ended[status]: int(time.time())}

    def _keep(self, data: bytes) -> str:
        file_id = f"file_{len(self._files):06d}"
        self._files[file_id] = data
        return file_id


def _missing(what: str) -> JSONResponse:
    error = {"message": f"there is no such {what}", "type": "invalid_request_error"}
    return JSONResponse({"error": error}, status_code=404)
