"""A fake with the bare backup API and one collection, "docs", whose server backups hold what a test wants."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from uuid import UUID

from werkzeug import Request, Response

DETAILS = {
    "vector_count": 3,
    "dimension": 2,
    "metric": "Euclidean",
    "created_at": "t0",
    "updated_at": "t1",
    "quantization": {"enabled": True, "type": "SQ { bits: 8 }"},
}
LISTED = {"name": "docs", "quantization": {"enabled": True}} | DETAILS
RECORDS = [{"id": f"r{place}", "vector": [0.5, float(place)], "metadata": {"n": place}} for place in range(3)]


class BackedUp:
    """Answers as a server that lets nothing through but its list, its details and its backup API.

    :ivar held: what each server backup says about "docs"; None leaves it out
    :ivar written: makes the answer of the list out of its text
    """

    def __init__(self, httpserver) -> None:
        self.held: object = {"vectors": RECORDS, "dimension": 2, "metric": "Euclidean"}
        self.written: Callable[[str], Response] = Response
        self.uptime = 77
        self.asked: list[object] = []
        self.files: list[dict[str, object]] = []
        self.crash: Callable[[], Response] | None = None
        for path, handler in {
            "/status": self._status,
            "/collections": lambda request: Response(json.dumps({"collections": [LISTED]})),
            "/collections/docs": lambda request: Response(json.dumps(DETAILS)),
            "/backups/directory": lambda request: Response('{"path":"./backups"}'),
            "/backups/create": self._create,
            "/backups/restore": self._restore,
            "/backups": self._list,
        }.items():
            httpserver.expect_request(path).respond_with_handler(handler)
        for path in ("/graphql", "/qdrant/aliases", "/qdrant/collections/docs", "/stats", "/replication/status"):
            httpserver.expect_request(path).respond_with_response(Response("", 404))
        missing = Response("", 404)
        httpserver.expect_request("/health").respond_with_response(missing)
        httpserver.expect_request("/qdrant/collections/docs/points/scroll").respond_with_response(missing)
        httpserver.expect_request("/qdrant/collections/docs/points").respond_with_response(missing)
        httpserver.expect_request("/collections/docs/vectors").respond_with_response(missing)
        httpserver.expect_request(re.compile("^/backups/.*/download$")).respond_with_response(missing)

    def _status(self, request: Request) -> Response:
        return Response(json.dumps({"version": "3.5.0", "uptime_seconds": self.uptime, "collections_count": 1}))

    def _create(self, request: Request) -> Response:
        asked = request.get_json()
        self.asked.append(asked)
        if self.crash is not None:
            return self.crash()
        made = {"id": _id(len(self.files) + 1), "name": asked["name"], "date": "2026", **_named(asked)}
        self.files.insert(0, made | {"data": {} if self.held is None else {"docs": self.held}})
        return Response(json.dumps(made))

    def _restore(self, request: Request) -> Response:
        self.asked.append(request.get_json())
        return Response('{"success":true,"message":"Backup restored successfully"}')

    def _list(self, request: Request) -> Response:
        return self.written(json.dumps({"backups": self.files}))


def _id(number: int) -> str:
    return str(UUID(int=number))


def _named(asked: dict[str, object]) -> dict[str, object]:
    return {"size": 24, "collections": asked["collections"]}
