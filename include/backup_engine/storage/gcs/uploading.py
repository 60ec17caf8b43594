"""New objects as their bytes come: small ones in one request, large ones in a session that can be taken up again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests

from backup_engine.errors import BackupError, ObjectChanged, StoreUnavailable
from backup_engine.storage.gcs.checksums import encoded, extended
from backup_engine.storage.gcs.objects import ABSENT, Held, Objects, held_in, taken
from backup_engine.storage.gcs.patience import Patience, Trying
from backup_engine.storage.gcs.refusals import AGAIN, NETWORK, plain, refusal
from backup_engine.storage.layout import Spot

CHUNK = 8 << 20
"""Bytes that are sent at a time; a multiple of the 256 KiB that a session keeps by. No more is held in memory."""

_KEPT = re.compile(r"bytes=0-(\d+)\Z")
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


class SessionGone(StoreUnavailable):
    """The session was ended: by an earlier try whose answer was lost, by somebody else, or for its age."""


def upload(objects: Objects, spot: Spot, chunks: Iterable[bytes], writer: str) -> Held:
    """Write a new object of the chunks; when they raise, nothing is left and their error is passed on as it is.

    :param writer: a word that no other writer has
    :raises ObjectExists: the name is taken
    """
    sending = _Sending(objects, spot, writer)
    try:
        for chunk in chunks:
            sending.take(chunk)
        return sending.finish()
    except BaseException:
        sending.cancel()
        raise


class _Sending:
    """One object on its way. The last chunk is held back: it has to be told apart."""

    def __init__(self, objects: Objects, spot: Spot, writer: str) -> None:
        self._objects = objects
        self._spot = spot
        self._writer = writer
        self._buffer = bytearray()
        self._sent = 0
        self._checksum = 0
        self._session: Session | None = None

    def take(self, chunk: bytes) -> None:
        """Take more bytes."""
        with memoryview(chunk) as view:
            for start in range(0, len(view), CHUNK):
                self._buffer += view[start : start + CHUNK]
                while len(self._buffer) > CHUNK:
                    self._send(bytes(self._buffer[:CHUNK]))

    def finish(self) -> Held:
        """Send what is left, and give the object that is there then."""
        data = bytes(self._buffer)
        checksum = extended(self._checksum, data)
        size = self._sent + len(data)
        try:
            if self._session is None:
                return self._objects.put(self._spot, data, checksum, self._writer, ABSENT)
            made = self._session.finish(data, encoded(checksum))
        except ObjectChanged as error:
            made = self._objects.claim(self._spot, self._writer, error)
        except SessionGone as error:
            made = self._look_for_own(error)
        return self._objects.checked(self._spot, made, size, checksum)

    def cancel(self) -> None:
        """Have the store forget what was sent."""
        if self._session is not None:
            self._session.cancel()

    def _send(self, data: bytes) -> None:
        try:
            if self._session is None:
                address = self._objects.open_session(self._spot, self._writer)
                self._session = Session(address, self._spot.url, self._objects.patience)
            self._session.send(data)
        except ObjectChanged as error:  # the store may look whether the name is taken before the end
            raise taken(self._spot) from error
        self._checksum = extended(self._checksum, data)
        self._sent += len(data)
        del self._buffer[: len(data)]

    def _look_for_own(self, error: SessionGone) -> Held:
        found = self._objects.find(self._spot)
        if found is None or found.writer != self._writer:
            raise error
        return found


@dataclass(frozen=True, slots=True)
class _Said:
    """What the store said of a session.

    :param kept: bytes that it has; None where it did not say
    :param made: the object, once it is there
    :param trouble: why it said nothing
    """

    kept: int | None = None
    made: Held | None = None
    trouble: str = ""


class Session:
    """One resumable upload of unknown size.

    The library's own does not ask the store how far it is after a failure, and gives up when the store keeps less of
    a chunk than was sent, as it may.

    :param address: where to send to; whoever has it may do so, it is its own credential
    :param place: the object, for messages
    """

    def __init__(self, address: str, place: str, patience: Patience) -> None:
        self._address = address
        self._place = place
        self._patience = patience
        self._http = requests.Session()
        self._kept = 0
        self._finished = False

    def send(self, data: bytes) -> None:
        """Send a chunk that is not the last one: a multiple of 256 KiB."""
        if self._go_on(data, None, {}) is not None:
            raise StoreUnavailable(f"{self._place}: the upload was ended by somebody else after {self._kept:,} bytes")

    def finish(self, data: bytes, crc32c: str) -> Held:
        """Send the last chunk and give the object.

        :param crc32c: of the whole; the store refuses what does not have it
        :raises ObjectChanged: the name was taken meanwhile
        :raises SessionGone: it may have succeeded
        """
        made = self._go_on(data, self._kept + len(data), {"x-goog-hash": f"crc32c={crc32c}"})
        if made is None:
            raise StoreUnavailable(f"{self._place}: the upload did not end with its last byte: run again")
        self._finished = True
        self._http.close()
        return made

    def cancel(self) -> None:
        """Have the store forget it. If that fails too it is still no object, and is forgotten after a week."""
        if not self._finished:
            with self._http, suppress(*NETWORK):
                self._http.delete(self._address, timeout=self._patience.timeout)

    def _go_on(self, data: bytes, total: int | None, headers: dict[str, str]) -> Held | None:
        """Send until all of it is kept; after each failure ask first how much that is."""
        begin, end = self._kept, self._kept + len(data)
        trying, asked = Trying(self._patience), False
        said = self._put(data, begin, total, headers)
        while said.made is None:
            if said.kept is not None and self._progressed(said.kept, begin, end):
                trying.progressed()
            elif not asked or said.kept is None or self._kept == end:
                trying.pause(self._given_up(said.trouble))
            if self._kept == end and total is None:
                return None
            asked = said.kept is None or self._kept == end
            said = self._put(b"" if asked else data[self._kept - begin :], self._kept, total, headers)
        return said.made

    def _progressed(self, kept: int, begin: int, end: int) -> bool:
        if not begin <= kept <= end:
            raise StoreUnavailable(f"{self._place}: the upload has {kept:,} bytes, not {begin:,} to {end:,}: run again")
        before, self._kept = self._kept, kept
        return kept > before

    def _put(self, data: bytes, start: int, total: int | None, headers: dict[str, str]) -> _Said:
        """Send bytes, or, without any, ask how far the upload is."""
        sent = f"{start}-{start + len(data) - 1}" if data else "*"
        span = f"bytes {sent}/{'*' if total is None else total}"
        try:
            answer = self._http.put(
                self._address,
                data=data,
                headers={**headers, "Content-Range": span},
                timeout=self._patience.timeout,
                allow_redirects=False,
            )
        except NETWORK as error:
            return _Said(trouble=type(error).__name__)
        return self._read(answer)

    def _read(self, answer: requests.Response) -> _Said:
        status = answer.status_code
        if status in {HTTPStatus.OK, HTTPStatus.CREATED}:
            return _Said(made=_parsed(answer, self._place, held_in))
        if status == HTTPStatus.PERMANENT_REDIRECT:
            kept = _KEPT.match(answer.headers.get("Range", ""))
            return _Said(kept=int(kept[1]) + 1 if kept else 0)
        if status in AGAIN:
            return _Said(trouble=f"{status}, {_sentence(answer)}")
        if status in _GONE:
            raise SessionGone(f"{self._place}: its upload was ended meanwhile ({status}): run again")
        raise refusal(status, _sentence(answer), self._place)

    def _given_up(self, trouble: str) -> BackupError:
        return StoreUnavailable(
            f"{self._place}: the upload stands at {self._kept:,} bytes ({trouble or 'the server keeps no more'}), and "
            "still did after every retry: check the network and run again"
        )


def _parsed(answer: requests.Response, place: str, read: Callable[[dict[str, Any]], Held]) -> Held:
    try:
        return read(answer.json())
    except (ValueError, LookupError, TypeError) as error:
        raise StoreUnavailable(f"{place}: the answer at the end of the upload is not understood: run again") from error


def _sentence(answer: requests.Response) -> str:
    try:
        return plain(str(answer.json()["error"]["message"]))
    except (ValueError, LookupError, TypeError):
        return plain(answer.text)
