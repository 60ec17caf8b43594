"""The JSON API: which request does what, and which permissions it needs."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.google_storage.buckets import Buckets, Conditions, StoredObject
from services.google_storage.content import Content, content_of
from services.google_storage.control import Control, Seen
from services.google_storage.errors import ApiError, condition_not_met, forbidden, invalid, no_object
from services.google_storage.exchange import Answer, Request, json_answer
from services.google_storage.receiving import UploadApi
from services.google_storage.uploads import Uploads

COMPOSED_AT_MOST = 32
PAGE = 1000
_RANGE = re.compile(r"bytes=(\d+)-(\d*)\Z")
_NAME = re.compile(r"[^\r\n]{1,1024}\Z")

_NAMED = {"storage": (3, 5, 8, 10), "download": (4, 6), "upload": (4,)}
"""Which parts of a path name a bucket or an object."""

Handler = Callable[[Request, Seen], Answer]


class Api:
    """All there is to ask for.

    :param rewritten_at_once: bytes that one rewrite call between buckets does
    """

    def __init__(self, buckets: Buckets, control: Control, folder: Path, rewritten_at_once: int) -> None:
        self._buckets = buckets
        self._control = control
        self._rewritten_at_once = rewritten_at_once
        self._rewrites: dict[str, int] = {}
        self.uploads = Uploads(buckets, folder)
        receive = UploadApi(buckets, self.uploads, control).answer
        self._handlers: dict[str, Handler] = {
            "POST storage/v1/b": self._make_bucket,
            "GET storage/v1/b/*": self._bucket,
            "DELETE storage/v1/b/*": self._bucket,
            "GET storage/v1/b/*/o": self._list,
            "GET storage/v1/b/*/o/*": self._get,
            "GET download/storage/v1/b/*/o/*": self._get,
            "DELETE storage/v1/b/*/o/*": self._delete,
            "POST storage/v1/b/*/o/*/compose": self._compose,
            "POST storage/v1/b/*/o/*/rewriteTo/b/*/o/*": self._rewrite,
            **{f"{method} upload/storage/v1/b/*/o": receive for method in ("POST", "PUT", "DELETE")},
        }

    def answer(self, request: Request, seen: Seen) -> Answer:
        """Do what is asked.

        :raises ApiError: it is refused
        """
        return self._handler(request)(request, seen)

    def _handler(self, request: Request) -> Handler:
        named = _NAMED.get(request.segments[0], ())
        shape = "/".join("*" if at in named else word for at, word in enumerate(request.segments))
        handler = self._handlers.get(f"{request.method} {shape}")
        if handler is None:
            raise ApiError(404, "notFound", f"Not Found: {request.method} {shape}")
        return handler

    # ------------------------------------------------------------ buckets

    def _make_bucket(self, request: Request, seen: Seen) -> Answer:
        self._control.require(seen, "storage.buckets.create")
        return json_answer(self._buckets.make(request.json()).resource())

    def _bucket(self, request: Request, seen: Seen) -> Answer:
        name = request.segments[3]
        if request.method == "DELETE":
            self._control.require(seen, "storage.buckets.delete")
            self._buckets.remove(name)
            return Answer(204)
        self._control.require(seen, "storage.buckets.get")
        return json_answer(self._buckets.bucket(name).resource())

    # ------------------------------------------------------------ objects

    def _list(self, request: Request, seen: Seen) -> Answer:
        self._control.require(seen, "storage.objects.list")
        bucket, prefix = request.segments[3], request.query.get("prefix", "")
        after = base64.urlsafe_b64decode(request.query.get("pageToken", "")).decode()
        limit = min(request.number("maxResults") or PAGE, PAGE)
        page, more = self._buckets.names(bucket, prefix, after, limit)
        found: dict[str, Any] = {"kind": "storage#objects"}
        if page:
            found["items"] = [one.resource() for one in page]
        if more:
            found["nextPageToken"] = base64.urlsafe_b64encode(page[-1].name.encode()).decode()
        return json_answer(found)

    def _get(self, request: Request, seen: Seen) -> Answer:
        *_, bucket, _, name = request.segments
        self._control.require(seen, "storage.objects.get", name)
        try:
            found = self._buckets.find(bucket, name, request.number("generation"))
        except ApiError as error:
            if error.status == 404 and not self._control.allows(seen.token, "storage.objects.list", ""):  # noqa: PLR2004
                raise forbidden("storage.objects.list is needed to learn that an object does not exist.") from error
            raise
        conditions_of(request).check(found)
        return media(found, request.headers.get("range")) if is_media(request) else json_answer(found.resource())

    def _delete(self, request: Request, seen: Seen) -> Answer:
        *_, bucket, _, name = request.segments
        self._control.require(seen, "storage.objects.delete", name)
        self._buckets.delete(bucket, name, request.number("generation"), conditions_of(request))
        return Answer(204)

    def _compose(self, request: Request, seen: Seen) -> Answer:
        bucket, name, asked = request.segments[3], request.segments[5], request.json()
        self._require_writing(seen, bucket, name)
        sources = asked.get("sourceObjects", [])
        if not 1 <= len(sources) <= COMPOSED_AT_MOST:
            raise invalid(f"The number of source components provided ({len(sources)}) exceeds the maximum (32).")
        found = [self._source(seen, bucket, source) for source in sources]
        content = content_of(tuple(piece for one in found for piece in one.content.pieces))
        metadata = asked.get("destination", {}).get("metadata")
        parts = sum(one.components or 1 for one in found)
        conditions = conditions_of(request)
        made = self._buckets.put(bucket, name, content, conditions, metadata=metadata, components=parts)
        return json_answer(made.resource())

    def _source(self, seen: Seen, bucket: str, source: dict[str, Any]) -> StoredObject:
        self._control.require(seen, "storage.objects.get", source["name"])
        generation = source.get("generation")
        found = self._buckets.find(bucket, source["name"], None if generation is None else int(generation))
        wanted = source.get("objectPreconditions", {}).get("ifGenerationMatch")
        if wanted is not None and int(wanted) != found.generation:
            raise condition_not_met()
        return found

    def _rewrite(self, request: Request, seen: Seen) -> Answer:
        bucket, name, to_bucket, to_name = (request.segments[at] for at in (3, 5, 8, 10))
        self._control.require(seen, "storage.objects.get", name)
        self._require_writing(seen, to_bucket, to_name)
        source = self._buckets.find(bucket, name, request.number("sourceGeneration"))
        body = request.json()
        token, done = self._rewritten(request, source, bucket == to_bucket)
        answer: dict[str, Any] = {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": str(done),
            "objectSize": str(source.content.size),
            "done": done == source.content.size,
        }
        if not answer["done"]:
            conditions_of(request).check(self._current(to_bucket, to_name))
            return json_answer({**answer, "rewriteToken": token})
        metadata = body.get("metadata", source.metadata)
        key = request.query.get("destinationKmsKeyName")
        content = Content(source.content.pieces, source.content.crc32c)
        made = self._buckets.put(to_bucket, to_name, content, conditions_of(request), metadata=metadata, kms_key=key)
        return json_answer({**answer, "resource": made.resource()})

    def _rewritten(self, request: Request, source: StoredObject, same_bucket: bool) -> tuple[str, int]:
        call = "/".join([*request.segments, str(source.generation)])
        token = base64.urlsafe_b64encode(call.encode()).decode()
        if request.query.get("rewriteToken", token) != token:
            raise invalid("The rewrite token belongs to another rewrite.")
        before = self._rewrites.get(token, 0) if "rewriteToken" in request.query else 0
        whole = same_bucket and "destinationKmsKeyName" not in request.query
        done = source.content.size if whole else min(source.content.size, before + self._rewritten_at_once)
        self._rewrites[token] = done
        return token, done

    def _current(self, bucket: str, name: str) -> StoredObject | None:
        return self._buckets.find(bucket, name) if self._buckets.exists(bucket, name) else None

    def _require_writing(self, seen: Seen, bucket: str, name: str) -> None:
        if not _NAME.match(name):
            raise no_object(bucket, name)
        self._control.require(seen, "storage.objects.create", name)
        if self._buckets.exists(bucket, name):
            self._control.require(seen, "storage.objects.delete", name)


def conditions_of(request: Request) -> Conditions:
    """Give the preconditions of a request."""
    return Conditions(request.number("ifGenerationMatch"), request.number("ifGenerationNotMatch"))


def is_media(request: Request) -> bool:
    """Tell whether the bytes are asked for, and not their description."""
    return request.query.get("alt") == "media" or request.segments[0] == "download"


def media(found: StoredObject, asked: str | None) -> Answer:
    """Answer with the bytes, or a range of them."""
    size = found.content.size
    headers = {
        "Content-Type": "application/octet-stream",
        "X-Goog-Generation": str(found.generation),
        "X-Goog-Hash": f"crc32c={found.content.crc32c}",
        "X-Goog-Stored-Content-Length": str(size),
    }
    if asked is None:
        return Answer(200, headers, found.content.read(0, size), size)
    match = _RANGE.match(asked)
    if match is None:
        raise invalid(f"Range {asked!r} is not understood")
    start, end = int(match[1]), min(int(match[2] or size), size - 1)
    if start > end:
        raise ApiError(416, "requestedRangeNotSatisfiable", "The requested range cannot be satisfied.")
    headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return Answer(206, headers, found.content.read(start, end - start + 1), end - start + 1)
