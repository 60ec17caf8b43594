"""What ``check_store`` tries: each probe does one thing the product relies on and fails where it is not as promised."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from itertools import chain

from backup_engine.errors import DamagedArchive, ObjectChanged, ObjectExists, ObjectNotFound, PermanentError
from backup_engine.findings import Level
from backup_engine.model import Clock
from backup_engine.storage.contract import ObjectInfo, Store

_PIECE = 1 << 20
_PIECES = 9  # MiB: more than a part of a multipart upload (8 MiB), and than S3's smallest (5 MiB)
_SMALL = b"".join(number.to_bytes(4, "big") for number in range(76_800))  # nowhere the same: a shifted range shows
_WRITERS, _ROUNDS = 4, 3
_LISTED = (
    "list/a-b/c",
    "list/a.x",
    "list/a/b",
    "list/a/c",
    "list/a0",
    *(f"list/n/{number:02}" for number in range(15)),
)
_BESIDE = "list2/x"

_CLOCK_SLACK = timedelta(seconds=2)  # whole seconds, and the way there
_CLOCK_NOTE = timedelta(seconds=30)
_CLOCK_BROKEN = timedelta(minutes=5)  # beyond it a backup counts as one from the future, and leases overlap


class Broken(PermanentError):
    """A promise that is not kept.

    :param remedy: "" for what holds of all of them
    """

    def __init__(self, found: str, remedy: str = "", level: Level = Level.MISSING) -> None:
        super().__init__(found)
        self.remedy = remedy
        self.level = level


class _Given(PermanentError):
    """Raised by ourselves in the middle of a write, to see what becomes of it."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where probes work."""

    store: Store
    clock: Clock
    prefix: str

    def key(self, name: str) -> str:
        """Give the key of this name on the desk."""
        return f"{self.prefix}{name}"

    def make(self, name: str, content: bytes) -> ObjectInfo:
        """Create an object."""
        return self.store.create(self.key(name), [content])

    def content(self, name: str) -> bytes:
        """Read an object whole; for those that fit into memory."""
        return b"".join(self.store.read(self.key(name)))

    def there(self, name: str) -> bool:
        """Tell whether it exists."""
        try:
            self.store.stat(self.key(name))
        except ObjectNotFound:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Probe:
    """One promise.

    :param look: says what was found, or raises ``Broken``
    :param needed: no later probe can work where this one cannot
    """

    what: str
    look: Callable[[Desk], str]
    needed: bool = False


def delete_all(desk: Desk) -> None:
    """Delete whatever lies on the desk."""
    desk.store.delete([info.key for info in desk.store.list(desk.prefix)])


def _write(desk: Desk) -> str:
    made = desk.make("small", _SMALL)
    if desk.store.stat(desk.key("small")).size != made.size or desk.content("small") != _SMALL:
        raise Broken("what was written is not what is read at once after")
    made = desk.store.create(desk.key("large"), _pieces())
    if made.size != _PIECES * _PIECE or desk.store.stat(desk.key("large")).size != made.size:
        raise Broken(f"of {_PIECES * _PIECE:,} bytes {made.size:,} are there after they were written")
    return f"{len(_SMALL):,} and {_PIECES * _PIECE:,} bytes are there at once after they were written"


def _aborted(desk: Desk) -> str:
    def ends_early() -> Iterator[bytes]:
        yield from _pieces()
        raise _Given("given up on purpose")

    try:
        desk.store.create(desk.key("aborted"), ends_early())
    except _Given:
        if desk.there("aborted"):
            raise Broken("a write that was given up left an object behind") from None
        return "a write that is given up leaves nothing"
    raise Broken("a write whose content broke off was said to be done")


def _create_only(desk: Desk) -> str:
    desk.make("taken", b"first")
    _refused(desk, "taken", iter([b"second"]), "an object that was there")
    for name, pieces in (("raced-small", iter([b"second"])), ("raced-large", _pieces())):
        _refused(desk, name, _meeting(desk, name, pieces), "one that another writer made meanwhile")
    return "of two writers of one name one wins, small or large, and the other is told"


def _refused(desk: Desk, name: str, chunks: Iterator[bytes], whose: str) -> None:
    try:
        desk.store.create(desk.key(name), chunks)
    except ObjectExists:
        if desk.content(name) == b"first":
            return
    raise Broken(f"creating overwrote {whose}: the condition `only if it is not there` is not honoured")


def _meeting(desk: Desk, name: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Have somebody else create it when the first look has been taken."""
    yield next(pieces)
    desk.make(name, b"first")
    yield from pieces


def _replace(desk: Desk) -> str:
    first = desk.make("replaced", b"one").version
    second = desk.store.replace(desk.key("replaced"), b"two", version=first).version
    for name, version in (("replaced", first), ("never-made", second)):
        try:
            desk.store.replace(desk.key(name), b"stale", version=version)
        except ObjectChanged:
            continue
        raise Broken("replacing overwrote what had changed since it was read: `only if unchanged` is not honoured")
    if desk.content("replaced") != b"two":
        raise Broken("what was replaced is not what is read at once after")
    _race(desk, second)
    return "an object is replaced only by who has seen its last version"


def _race(desk: Desk, version: str) -> None:
    """Let several replace the same version at the same moment."""
    with ThreadPoolExecutor(_WRITERS) as pool:
        for number in range(_ROUNDS):
            words = [f"{number} {writer}".encode() for writer in range(_WRITERS)]
            seen = [version] * _WRITERS
            won = [info for info in pool.map(_contender(desk), words, seen) if info is not None]
            if len(won) != 1:
                raise Broken(
                    f"of {_WRITERS} that replaced one version at the same moment {len(won)} were told they did"
                )
            version = won[0].version


def _contender(desk: Desk) -> Callable[[bytes, str], ObjectInfo | None]:
    def replace(content: bytes, version: str) -> ObjectInfo | None:
        try:
            return desk.store.replace(desk.key("replaced"), content, version=version)
        except ObjectChanged:
            return None

    return replace


def _ranges(desk: Desk) -> str:
    for offset, length in ((0, 1), (255, 70_000), (len(_SMALL) - 1, 1), (200_000, None), (17, 0)):
        end = None if length is None else offset + length
        if b"".join(desk.store.read(desk.key("small"), offset=offset, length=length)) != _SMALL[offset:end]:
            raise Broken(f"a range of {length} bytes from {offset:,} is not what was written there")
    try:
        short = b"".join(desk.store.read(desk.key("small"), offset=len(_SMALL) - 10, length=100))
    except DamagedArchive:
        return "any range is read as it was written, and one beyond the end is an error"
    raise Broken(f"a range beyond the end gave {len(short)} bytes and no error")


def _listing(desk: Desk) -> str:
    for name in (*_LISTED, _BESIDE):
        desk.make(name, name.encode())
    expected = [(desk.key(name), len(name)) for name in sorted(_LISTED)]
    found = [(info.key, info.size) for info in desk.store.list(desk.key("list/"))]
    if found != expected:
        lacking, extra = {*expected} - {*found}, {*found} - {*expected}
        wrong = f"{len(lacking)} are missing, {len(extra)} too many" if lacking or extra else "they are not in order"
        raise Broken(f"of {len(expected)} objects that were written, a listing at once after is not right: {wrong}")
    desk.store.delete([desk.key(_LISTED[0])])
    if [info.key for info in desk.store.list(desk.key("list/"))] != [key for key, _ in expected[1:]]:
        raise Broken("what was deleted is listed at once after")
    return f"{len(expected)} objects are listed at once after they were written, all of them and in order"


def _join(desk: Desk) -> str:
    names = ["small", "large", "small"]
    made = desk.store.join(desk.key("joined"), [desk.key(name) for name in names], b"tail")
    expected = _hashed(chain([_SMALL], _pieces(), [_SMALL, b"tail"]))
    if _hashed(desk.store.read(desk.key("joined"))) != expected:
        raise Broken("a join of three objects is not the three objects in order")
    try:
        desk.store.join(desk.key("taken"), [desk.key("small")])
    except ObjectExists:
        return f"{made.size:,} bytes were joined of three objects, and a join overwrites nothing"
    raise Broken("joining overwrote an object that was there")


def _hashed(chunks: Iterable[bytes]) -> str:
    hasher = sha256()
    for chunk in chunks:
        hasher.update(chunk)
    return hasher.hexdigest()


def _clocks(desk: Desk) -> str:
    before = desk.clock()
    desk.make("clock", b"now")
    after = desk.clock()
    told = desk.store.stat(desk.key("clock")).modified_at
    off = max(before - told, told - after, timedelta(0))
    said = f"the store's clock and this machine's differ by {off.total_seconds():.0f} s"
    if off > _CLOCK_NOTE + _CLOCK_SLACK:
        level = Level.MISSING if off > _CLOCK_BROKEN else Level.NOTE
        remedy = "set both by NTP: leases and points in time are told by clocks"
        raise Broken(said, remedy, level)
    return said


def _delete_missing(desk: Desk) -> str:
    desk.make("deleted", b"x")
    desk.store.delete([desk.key("deleted"), desk.key("never-made")])
    if desk.there("deleted"):
        raise Broken("what was deleted is there at once after")
    return "what is deleted is gone at once, and deleting what is not there is no error"


def _pieces() -> Iterator[bytes]:
    """Give the large object: as many pieces as ``_PIECES``, each full of its own number."""
    return (bytes([place]) * _PIECE for place in range(_PIECES))


PROBES = (
    Probe("write and read", _write, needed=True),
    Probe("write that is given up", _aborted),
    Probe("create only", _create_only),
    Probe("replace if unchanged", _replace),
    Probe("ranges", _ranges),
    Probe("list", _listing),
    Probe("join", _join),
    Probe("clocks", _clocks),
    Probe("delete one", _delete_missing),
)
"""In the order in which they are tried: later ones work with what earlier ones made."""
