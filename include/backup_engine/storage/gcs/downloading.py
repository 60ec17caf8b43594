"""Bytes of one generation of an object, in windows that are asked for again where they break off."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

from backup_engine.errors import DamagedArchive, ObjectNotFound, StoreUnavailable
from backup_engine.storage.contract import READ_CHUNK, checked_range
from backup_engine.storage.gcs.checksums import encoded, extended
from backup_engine.storage.gcs.objects import Held, Objects
from backup_engine.storage.gcs.refusals import told
from backup_engine.storage.layout import Spot

WINDOW = 8 << 20
"""Bytes that are asked for, and held in memory, at a time."""

_ATTEMPTS = 20


def read(objects: Objects, spot: Spot, offset: int, length: int | None) -> Iterator[bytes]:
    """Stream a range of the generation that is there now. The first window is fetched by the call itself, so that a
    small object is read whole, whoever replaces it meanwhile.

    :raises ObjectNotFound: there is none
    :raises DamagedArchive: it ends before the range does
    """
    for _ in range(_ATTEMPTS):
        seen = objects.look(spot)
        start, end = checked_range(spot.url, seen.size, offset, length)
        try:
            first = _fetch(objects, spot, seen, start, min(end, start + WINDOW))
        except ObjectNotFound:  # this generation is gone, another may have come
            continue
        return _stream(objects, spot, seen, first, (start, end))
    raise StoreUnavailable(f"{spot.url} was replaced each time it was to be read: run again")


def _stream(objects: Objects, spot: Spot, seen: Held, window: bytes, asked: tuple[int, int]) -> Iterator[bytes]:
    """Give the bytes; where they are the whole object, its checksum is compared at the end."""
    at, end = asked
    whole = asked == (0, seen.size) and seen.crc32c is not None
    checksum = 0
    while window:
        checksum = extended(checksum, window) if whole else 0
        at += len(window)
        for part in range(0, len(window), READ_CHUNK):
            yield window[part : part + READ_CHUNK]
        window = _fetch_next(objects, spot, seen, at, min(end, at + WINDOW))
    if whole and checksum != seen.crc32c:
        raise DamagedArchive(
            f"{spot.url}: the bytes that came have the crc32c {encoded(checksum)}, those that were stored "
            f"{encoded(seen.crc32c or 0)}: read it again, and verify it if that fails too"
        )


def _fetch_next(objects: Objects, spot: Spot, seen: Held, start: int, end: int) -> bytes:
    try:
        return _fetch(objects, spot, seen, start, end)
    except ObjectNotFound as error:
        raise ObjectNotFound(f"{spot.url} was deleted or replaced after {start:,} bytes of it were read") from error


def _fetch(objects: Objects, spot: Spot, seen: Held, start: int, end: int) -> bytes:
    window = _Window(spot, end - start, time.monotonic() + objects.patience.progress)
    patience = objects.patience
    while (got := window.tell()) < end - start:
        blob = objects.blob(spot, seen.generation)  # a new one: an answer without its generation would unpin it
        with told(spot.url):
            blob.download_to_file(
                window,
                start=start + got,
                end=end - 1,
                raw_download=True,
                checksum=None,
                timeout=patience.timeout,
                retry=patience.retry,
            )
        if window.tell() == got:
            raise DamagedArchive(
                f"{spot.url} ends at {start + got:,} and has {seen.size:,} bytes by its description: it was truncated"
            )
    return window.getvalue()


class _Window(io.BytesIO):
    """Takes so many bytes until so late, and no more: a server that drips must not hold us for ever."""

    def __init__(self, spot: Spot, size: int, end: float) -> None:
        super().__init__()
        self._spot = spot
        self._size = size
        self._end = end

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Take bytes as they come."""
        if time.monotonic() > self._end:
            raise StoreUnavailable(f"{self._spot.url}: only {self.tell():,} bytes came in time: check the network")
        if self.tell() + len(data) > self._size:
            raise StoreUnavailable(f"{self._spot.url}: more bytes came than were asked for: is a proxy in between?")
        return super().write(data)
