"""A page of points, read while it streams in: the text is worked on in windows, so memory is flat at any page size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from backup_engine.errors import UnexpectedAnswer
from backup_engine.vectorizer.layout import Window, take_by_landmarks, take_by_parsing

WINDOW = 2 << 20
"""Bytes of text worked on at once: they stay in the processor's cache, and a batch has a few hundred records."""

_LARGEST_RECORD = 256 << 20  # the server takes no body above 100 MiB
_LONGEST_HEAD = 64 << 10


class PointPage:
    """One answer that holds a list of points.

    :param chunks: the answer's body as it comes
    :param what: the call, for messages
    :param key: the list's key: "points" of a scroll, "result" of a retrieval
    """

    def __init__(self, chunks: Iterator[bytes], what: str, key: str = "points", window: int = WINDOW) -> None:
        self._chunks = chunks
        self._what = what
        self._window = window
        self._opening = re.compile(rb'"%s"\s*:\s*\[' % key.encode())
        self._key = key
        self._buffer = b""
        self._ended = False
        self._outside: dict[str, object] = {}

    @property
    def next_offset(self) -> str | None:
        """Where the next page starts; known when all windows have been read."""
        result = self._outside.get("result")
        offset = result.get("next_page_offset") if isinstance(result, dict) else None
        return None if offset is None else str(offset)

    def windows(self) -> Iterator[Window]:
        """Read on, a window of whole records at a time.

        :raises UnexpectedAnswer: this is no page of points
        :raises ServerUnavailable: it broke off
        """
        head = self._read_head()
        at_end, size = False, self._window
        while not at_end:
            self._fill(size)
            window, used, at_end = self._split()
            self._buffer = self._buffer[used:]
            if len(window):
                yield window
            elif not at_end:
                self._insist_on_more()
            size = self._window if used else 2 * size
        self._read_tail(head)

    def _insist_on_more(self) -> None:
        if self._ended or len(self._buffer) > _LARGEST_RECORD:
            start = self._buffer[:80].decode("utf-8", "replace")
            raise UnexpectedAnswer(f"{self._what}: a record was expected to begin and end here: {start!r}")

    def _fill(self, size: int) -> None:
        parts, have = [self._buffer], len(self._buffer)
        while have < size and not self._ended:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._ended = True
            else:
                parts.append(chunk)
                have += len(chunk)
        self._buffer = b"".join(parts)

    def _read_head(self) -> bytes:
        found = None
        while found is None and not self._ended and len(self._buffer) < _LONGEST_HEAD:
            self._fill(len(self._buffer) + 1)
            found = self._opening.search(self._buffer)
        if found is None:
            start = self._buffer[:80].decode("utf-8", "replace")
            raise UnexpectedAnswer(f"{self._what}: a list of {self._key} was expected, found {start!r}")
        head, self._buffer = self._buffer[: found.end()], self._buffer[found.end() :]
        return head

    def _read_tail(self, head: bytes) -> None:
        """Put what is around the list together: it is a whole answer, and the list is where it belongs."""
        self._fill(len(self._buffer) + _LONGEST_HEAD)
        try:
            around = json.loads(head + self._buffer)
            result = around["result"]
            points = result if self._key == "result" else result["points"]
        except (ValueError, KeyError, TypeError) as error:
            raise UnexpectedAnswer(f"{self._what}: what surrounds the points is not as expected") from error
        if not self._ended or points != []:
            raise UnexpectedAnswer(f"{self._what}: what surrounds the points is not as expected")
        self._outside = around

    def _split(self) -> tuple[Window, int, bool]:
        """Take whole records off the buffer: them, how much they take, and whether the list ends there."""
        window = Window()
        try:
            used = take_by_landmarks(self._buffer, window)
            if len(window) and not self._ended:
                return window, used, False
            more, at_end = take_by_parsing(self._buffer[used:], window, self._ended)
        except ValueError as error:
            raise UnexpectedAnswer(f"{self._what}: the records are no JSON the server writes: {error}") from error
        return window, used + more, at_end
