"""The uploading half of the API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from services.google_storage.buckets import Buckets, Conditions
from services.google_storage.control import Control, Fault, Seen
from services.google_storage.errors import ApiError, invalid
from services.google_storage.exchange import Answer, Cut, Request, json_answer
from services.google_storage.uploads import QUANTUM, Session, Uploads, parse_span

_BOUNDARY = re.compile(r"boundary=\"?([^\";]+)\"?")
_SENT_CHECKSUM = re.compile(r"crc32c=([A-Za-z0-9+/=]+)")
_MULTIPART_AT_MOST = 64 << 20


class UploadApi:
    """Uploads of all three kinds."""

    def __init__(self, buckets: Buckets, uploads: Uploads, control: Control) -> None:
        self._buckets = buckets
        self._uploads = uploads
        self._control = control

    def answer(self, request: Request, seen: Seen) -> Answer:
        """Do what is asked."""
        if request.method == "POST" and "upload_id" not in request.query:
            return self._begin(request, seen)
        session = self._uploads.session(request.query.get("upload_id", ""))
        if request.method == "DELETE":
            self._uploads.cancel(session.token)
            return Answer(499)
        return self._take(request, session)

    def _begin(self, request: Request, seen: Seen) -> Answer:
        kind = request.query.get("uploadType")
        fault = self._control.fault("RECEIVE", request.target)
        if kind == "resumable":
            session = self._uploads.open(self._session(request, seen, request.json()))
            where = f"http://{request.headers['host']}{request.target}&upload_id={session.token}"
            return Answer(200, {"Location": where, "X-GUploader-UploadID": session.token})
        if kind == "media":
            return self._store(self._session(request, seen, {}), spoiled(request.body(), fault))
        if kind == "multipart":
            if request.unread > _MULTIPART_AT_MOST:
                raise invalid("This server takes resumable uploads for objects of this size")
            resource, data = parts_of(request.headers.get("content-type", ""), request.body())
            return self._store(self._session(request, seen, resource), spoiled(data, fault))
        raise invalid(f"uploadType {kind!r}")

    def _session(self, request: Request, seen: Seen, resource: dict[str, Any]) -> Session:
        bucket, name = request.segments[4], resource.get("name") or request.query.get("name", "")
        self._control.require(seen, "storage.objects.create", name)
        if self._buckets.exists(bucket, name):
            self._control.require(seen, "storage.objects.delete", name)
        conditions = Conditions(request.number("ifGenerationMatch"), request.number("ifGenerationNotMatch"))
        return Session(bucket, name, resource, conditions, request.query.get("kmsKeyName"), self._uploads.receiving())

    def _store(self, session: Session, data: bytes) -> Answer:
        session.receiving.write(data)
        return json_answer(self._uploads.store(session, session.receiving, None).resource())

    def _take(self, request: Request, session: Session) -> Answer:
        span = parse_span(request.headers.get("content-range"), request.unread)
        checksum = _SENT_CHECKSUM.search(request.headers.get("x-goog-hash", ""))
        fault = self._control.fault("RECEIVE", request.target)
        try:
            blocks = through(request.blocks(), fault)
            self._uploads.take(session, span, blocks, checksum[1] if checksum else None)
        except Cut:
            with suppress(Cut):
                request.body()
            if fault is None:
                raise
            raise fault.error() from None
        if session.finished is not None:
            return json_answer(session.finished.resource())
        size = session.receiving.size
        return Answer(308, {"Range": f"bytes=0-{size - 1}"} if size else {})


def through(blocks: Iterator[bytes], fault: Fault | None) -> Iterator[bytes]:
    """Let a chunk through, or only its beginning, or with one bit changed."""
    for number, block in enumerate(blocks):
        if fault is not None and fault.kind == "partial" and number * QUANTUM >= fault.size:
            raise Cut("ordered")
        yield spoiled(block, fault) if not number else block


def spoiled(data: bytes, fault: Fault | None) -> bytes:
    """Change a bit, where that was ordered."""
    if fault is None or fault.kind != "flip" or not data:
        return data
    return bytes([data[0] ^ 1]) + data[1:]


def parts_of(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """Take a multipart/related body apart: the description, and the bytes."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise invalid("A multipart upload needs a boundary")
    mark = b"--" + boundary[1].encode()
    if not body.startswith(mark) or not body.rstrip(b"\r\n").endswith(mark + b"--"):
        raise ApiError(400, "badRequest", "Multipart body is not complete")
    first, second = body[len(mark) : body.rindex(b"\r\n" + mark + b"--")].split(b"\r\n" + mark, 1)
    return dict(json.loads(first.split(b"\r\n\r\n", 1)[1])), second.split(b"\r\n\r\n", 1)[1]
