"""A fake that scrolls as the server does, and lets a test change the collection between pages."""

from __future__ import annotations

import json
from collections.abc import Callable

from werkzeug import Request, Response

from backup_engine.model import CollectionState

Record = tuple[str, list[float], object]


class Scrolled:
    """One collection, "docs", of two dimensions.

    :param by_id: whether GraphQL can be asked for single records
    """

    updated_at = ""

    def __init__(self, httpserver, records: list[Record], *, by_id: bool = True) -> None:
        self.records = records
        self.by_id = by_id
        self.before_page: Callable[[int], None] = lambda page: None
        self.limits: list[int] = []
        self.asked: list[str] = []
        self.payload_bytes: int | None = sum(len(compact(payload)) for _, _, payload in records if payload is not None)
        httpserver.expect_request("/collections/docs").respond_with_handler(self._details)
        httpserver.expect_request("/qdrant/collections/docs/points/scroll").respond_with_handler(self._scroll)
        httpserver.expect_request("/graphql").respond_with_handler(self._graphql)

    @property
    def state(self) -> CollectionState:
        return CollectionState(name="docs", vectors=len(self.records), dimension=2, created_at="", updated_at="")

    def _details(self, request: Request) -> Response:
        return Response(json.dumps({"size": {"payload_bytes": self.payload_bytes}}))

    def _scroll(self, request: Request) -> Response:
        asked = request.get_json()
        self.limits.append(asked["limit"])
        self.before_page(len(self.limits))
        places = [place for place, (key, _, _) in enumerate(self.records) if key == asked.get("offset")]
        start = places[0] if places else 0
        shown = self.records[start : start + asked["limit"]]
        more = start + asked["limit"] < len(self.records)
        points = [{"id": key, "vector": vector, "payload": _seen(payload)} for key, vector, payload in shown]
        return Response(compact({"result": {"points": points, "next_page_offset": shown[-1][0] if more else None}}))

    def _graphql(self, request: Request) -> Response:
        body = request.get_json()
        if "updatedAt" in body["query"]:
            return Response(compact({"data": {"collection": {"updatedAt": self.updated_at}}}))
        if "vectors(" in body["query"]:
            return self._page(body["variables"]["i"])
        if not self.by_id:
            return Response(
                '{"data":null,"errors":[{"message":"Unknown field \\"vector\\" on type \\"QueryRoot\\"."}]}'
            )
        given = {key: value for key, value in body["variables"].items() if key != "c"}
        self.asked.append(f"{len(given)} by id")
        kept = {key: {"payload": _trimmed(payload), "data": vector} for key, vector, payload in self.records}
        return Response(compact({"data": {f"v{name[1:]}": kept.get(key) for name, key in given.items()}}))

    def _page(self, asked: dict) -> Response:
        start, limit = int(asked["cursor"]), asked["limit"]
        self.asked.append(f"page at {start} of {limit}")
        shown = self.records[start : start + limit]
        items = [{"id": key, "payload": payload, "data": vector} for key, vector, payload in shown]
        return Response(compact({"data": {"vectors": {"items": items}}}))


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _seen(payload: object) -> object:
    """What a scroll makes of a payload."""
    return _rounded(payload) if isinstance(payload, dict) else None


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value


def _trimmed(value: object) -> object:
    """What asking by id makes of a payload."""
    if isinstance(value, dict):
        return {key: _trimmed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_trimmed(item) for item in value]
    return value.strip() if isinstance(value, str) else value
