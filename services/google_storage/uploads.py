"""Uploads: in one request, or in a session that can be asked how far it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any

from services.google_storage.buckets import Buckets, Conditions, StoredObject
from services.google_storage.content import Content, Receiving
from services.google_storage.errors import ApiError, invalid

QUANTUM = 1 << 18
"""What is kept of a chunk that is not the last one is a multiple of this many bytes."""

_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)\Z")


@dataclass
class Session:
    """One resumable upload."""

    bucket: str
    name: str
    resource: dict[str, Any]
    conditions: Conditions
    kms_key: str | None
    receiving: Receiving
    finished: StoredObject | None = None
    token: str = field(default_factory=lambda: token_hex(16))


@dataclass(frozen=True)
class Span:
    """What a Content-Range header says.

    :param start: None: nothing is sent, the question is how far the upload is
    :param total: None: not known yet
    """

    start: int | None
    total: int | None


def parse_span(header: str | None, length: int) -> Span:
    """Read a Content-Range header; without one the body is all there is."""
    if header is None:
        return Span(0, length)
    match = _RANGE.match(header)
    if match is None:
        raise invalid(f"Failed to parse Content-Range header: {header}")
    start, end, total = match.groups()
    if start is not None and int(end) - int(start) + 1 != length:
        raise invalid("Content-Range and Content-Length do not agree")
    return Span(None if start is None else int(start), None if total == "*" else int(total))


class Uploads:
    """Sessions that are open, and the objects that come of them."""

    def __init__(self, buckets: Buckets, folder: Path) -> None:
        self._buckets = buckets
        self._folder = folder
        self._numbers = count(1)
        self.sessions: dict[str, Session] = {}

    def receiving(self) -> Receiving:
        """Give a place for bytes to arrive at."""
        return Receiving(self._folder / f"content-{next(self._numbers)}")

    def store(self, session: Session, received: Receiving, crc32c: str | None) -> StoredObject:
        """Make the object, unless its checksum is wrong or its conditions do not hold."""
        content = received.finish()
        for expected in filter(None, [session.resource.get("crc32c"), crc32c]):
            _check(content, expected)
        return self._buckets.put(
            session.bucket,
            session.name,
            content,
            session.conditions,
            metadata=session.resource.get("metadata"),
            kms_key=session.kms_key,
        )

    def open(self, session: Session) -> Session:
        """Keep a session."""
        self._buckets.bucket(session.bucket)
        self.sessions[session.token] = session
        return session

    def session(self, token: str) -> Session:
        """Give a session."""
        if token not in self.sessions:
            raise ApiError(404, "notFound", "No such upload session.")
        return self.sessions[token]

    def cancel(self, token: str) -> None:
        """Forget a session and what it has."""
        self.session(token).receiving.discard()
        del self.sessions[token]

    def open_sessions(self) -> list[str]:
        """Tell the objects of the sessions that are neither finished nor cancelled."""
        return [session.name for session in self.sessions.values() if session.finished is None]

    def take(self, session: Session, span: Span, blocks: Iterator[bytes], crc32c: str | None) -> None:
        """Take a chunk: what is there already is passed over, and the last one makes the object."""
        if session.finished is not None:
            return
        received = session.receiving
        if span.start is not None:
            self._append(received, span, blocks)
        if span.total is not None and received.size == span.total:
            session.finished = self._finish(session, crc32c)

    def _finish(self, session: Session, crc32c: str | None) -> StoredObject:
        try:
            return self.store(session, session.receiving, crc32c)
        except ApiError:
            self.sessions.pop(session.token, None)
            raise

    def _append(self, received: Receiving, span: Span, blocks: Iterator[bytes]) -> None:
        passed_over = received.size - (span.start or 0)
        if passed_over < 0:
            raise invalid(f"The upload has {received.size} bytes; the chunk begins at {span.start}")
        try:
            for block in blocks:
                received.write(block[passed_over:])
                passed_over = max(0, passed_over - len(block))
        finally:
            if received.size != span.total:
                received.cut(received.size - received.size % QUANTUM)


def _check(content: Content, expected: str) -> None:
    if content.crc32c != expected:
        raise invalid(f'Provided CRC32C "{expected}" doesn\'t match calculated CRC32C "{content.crc32c}".')
