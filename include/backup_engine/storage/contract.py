"""The store contract.

A store holds objects: bytes under a key, below one root. Keys are relative, "/"-separated, made of
``A-Z a-z 0-9 . _ -`` segments that are neither empty, ".", nor ".."; anything else is ``UnsafeKey``, before any I/O.

Promises every implementation keeps, and one suite tests on each of them:

* An object is there whole or not at all: readers never see a part of one, whatever dies when.
* ``create`` and ``join`` never overwrite: of two writers of one key one wins, the other gets ``ObjectExists``.
* ``replace`` changes only what its caller has seen: otherwise ``ObjectChanged``.
* When a call returns, what it wrote survives a crash of the machine.
* What a call wrote is seen by every later ``stat``, ``read`` and ``list``, from anywhere.
* ``list`` is sorted by key and complete. ``delete`` of a missing key is success; one call of it has no order.
* Memory stays flat: at most some 64 MiB, whatever an object's size.
* Errors are ``StoreUnavailable`` (try again), ``StoreDenied``, ``StoreFull``, or one of the ``Object…`` errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from backup_engine.errors import DamagedArchive, HostileArchive, InvalidInput, UnsafeKey

_SEGMENT = re.compile(r"[A-Za-z0-9._-]{1,200}\Z")
_PLAIN = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}/)*[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}\Z")  # no dot in front
_KEY_LENGTH = 900  # S3 takes 1,024 bytes; a prefix of the store's own comes in front

READ_CHUNK = 1 << 20
"""Bytes a streamed read hands over at a time."""


@dataclass(frozen=True, slots=True)
class ListedObject:
    """What a listing says about one object.

    :param modified_at: by the store's clock
    """

    key: str
    size: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class ObjectInfo(ListedObject):
    """What a store says about one object that it is asked for.

    :param version: opaque; equal as long as the object is unchanged, and never again after it was changed
    """

    version: str

    @property
    def listed(self) -> ListedObject:
        """What a listing says of it: no version, which S3 does not tell there."""
        return ListedObject(self.key, self.size, self.modified_at)


class Store(Protocol):
    """One root in one place."""

    @property
    def url(self) -> str:
        """Where it is, without credentials, for messages."""

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Objects whose key starts with ``prefix`` ("" for all, else ending in "/"), sorted by key."""

    def stat(self, key: str) -> ObjectInfo:
        """Describe one object.

        :raises ObjectNotFound: there is none
        """

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Stream a range (to the end when ``length`` is None). The call itself raises; so does the stream, if the
        object turns out shorter while it is read.

        :raises ObjectNotFound: there is none
        :raises DamagedArchive: the object ends before the range does
        """

    def create(self, key: str, chunks: Iterable[bytes]) -> ObjectInfo:
        """Write a new object as its chunks come; when ``chunks`` raises, nothing is left behind.

        :raises ObjectExists: the key is taken
        """

    def replace(self, key: str, data: bytes, *, version: str) -> ObjectInfo:
        """Overwrite a small object if it is still the ``version`` that was seen.

        :raises ObjectChanged: it is another one now, or gone
        """

    def join(self, key: str, sources: Sequence[str], tail: bytes = b"") -> ObjectInfo:
        """Make a new object of the sources in order and then ``tail``, without its bytes passing through here
        where the store can do that.

        :raises ObjectExists: the key is taken
        :raises ObjectNotFound: a source is missing
        """

    def delete(self, keys: Iterable[str]) -> None:
        """Delete all of them, in batches and in any order: where one has to be gone before another, call twice.

        :raises StoreDenied: some may not be deleted; the others are gone all the same
        """

    def free_bytes(self) -> int | None:
        """Room left, where the store knows a limit."""


@runtime_checkable
class ListsExpected(Protocol):
    """A store that lists faster what somebody has seen before."""

    def list_expected(self, prefix: str, expected: Sequence[str]) -> Iterator[ListedObject]:
        """Give exactly what ``list`` gives, whatever is expected.

        :param expected: keys with this prefix that are probably there, sorted
        """


def is_segment(name: str) -> bool:
    """Tell whether a name can be one segment of a key."""
    return bool(_SEGMENT.match(name)) and name not in {".", ".."}


def checked_key(key: str) -> str:
    """Give the key back if it is safe.

    :raises UnsafeKey: it is empty, too long, or has a segment that is not plain
    """
    if len(key) > _KEY_LENGTH or not (_PLAIN.match(key) or all(is_segment(part) for part in key.split("/"))):
        raise UnsafeKey(f"{key!r} is not a key: segments of A-Z a-z 0-9 . _ - were expected, separated by '/'")
    return key


def checked_prefix(prefix: str) -> str:
    """Give the prefix back if it is "" or a safe key followed by "/".

    :raises UnsafeKey: otherwise, so that ``docs`` can never mean ``docs2`` too
    """
    if prefix and (not prefix.endswith("/") or not checked_key(prefix[:-1])):
        raise UnsafeKey(f"{prefix!r} is not a prefix: it must be empty or end with '/'")
    return prefix


def checked_range(name: str, size: int, offset: int, length: int | None) -> tuple[int, int]:
    """Give the start and the end of a range of an object that has ``size`` bytes.

    :raises InvalidInput: a negative offset or length
    :raises DamagedArchive: the object ends before the range does
    """
    if offset < 0 or (length is not None and length < 0):
        raise InvalidInput(f"{name}: a range of {length} bytes from {offset} was asked for; neither may be negative")
    end = size if length is None else offset + length
    if max(offset, end) > size:
        wanted = f"bytes up to {end:,}" if length is not None else f"bytes from {offset:,} on"
        raise DamagedArchive(f"{name} ends after {size:,} bytes; {wanted} were expected: truncated, or another one")
    return offset, end


def read_bytes(store: Store, key: str, *, limit: int) -> bytes:
    """Read one small object whole.

    :param limit: bytes; a larger object is refused
    :raises HostileArchive: the object is larger than ``limit``
    """
    content = bytearray()
    for chunk in store.read(key):
        content += chunk
        if len(content) > limit:
            raise HostileArchive(f"{store.url}/{key} has more than the {limit:,} bytes that were expected at most")
    return bytes(content)
