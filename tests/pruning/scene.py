"""Stores that are pruned in tests: real captures of four days, and what may never be seen of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cache

from backup_engine.archive.manifest import archive_key
from backup_engine.backup import Backup
from backup_engine.catalog import Catalog
from backup_engine.chain import breaks, by_name
from backup_engine.pruning.executing import prune
from backup_engine.pruning.planning import plan_pruning
from backup_engine.pruning.report import PruningReport
from backup_engine.pruning.site import Site
from backup_engine.records import Verification, VerificationLevel, write_record
from backup_engine.retention.policy import IncrementalRetention, Policy, Slots
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import IDENTITY_KEY, init_store
from backup_engine.storage.memory import MemoryStore
from tests.engine.captures import SUNDAY, Time, capture, new_store
from tests.engine.memory_server import MemoryServer
from tests.engine.places import objects

HOURS = timedelta(hours=12)
POLICY = Policy(
    slots=Slots(daily=2, weekly=0, monthly=0),
    incremental=IncrementalRetention(all_for=HOURS, thinned_for=HOURS),
    floor=HOURS,
    set_aside=HOURS,
)
"""Keeps the fulls of two days and the increments of the last twelve hours."""

KEPT = {"full-3", "full-4", "inc-4a"}
GONE = {"full-1", "inc-1a", "inc-1b", "full-2", "inc-2a"}


class Days:
    """Four days of a server: its store's objects, and the backups' names by what they are called here."""

    def __init__(self) -> None:
        self.clock = Time(SUNDAY - timedelta(days=4))
        self.server = MemoryServer(clock=self.clock, page_records=30)
        self.server.fill("docs", 40, dimension=4)
        self.server.fill("papers", 20, dimension=4)
        self.store = new_store(self.clock)
        self.names: dict[str, str] = {}
        for day, increments in enumerate(("ab", "a", "", "a"), 1):
            self._capture(f"full-{day}")
            for letter in increments:
                self._capture(f"inc-{day}{letter}", incremental=True)
            self.clock.now = SUNDAY + timedelta(days=day - 4, hours=0 if day < 4 else -21)
        self.objects = objects(self.store)

    def _capture(self, word: str, *, incremental: bool = False) -> None:
        self.server.fill("docs", 2, first=100 + 10 * len(self.names), dimension=4)
        self.names[word] = capture(self.server, self.store, self.clock, word, incremental=incremental).name
        self.clock.pass_by(hours=1)


@cache
def days() -> Days:
    return Days()


def now() -> Time:
    """A clock that a test may move, at the end of the four days."""
    return Time(days().clock())


def prepared(clock: Time | None = None, *, made: Time | None = None) -> MemoryStore:
    """The store of the four days, made anew.

    :param made: when its objects were written; now when None
    """
    clock = clock or now()
    at = Time((made or clock)())
    store = MemoryStore(clock=at)
    for key, content in days().objects.items():
        store.create(key, [content])
    at.now = clock.now
    store._clock = clock
    return store


def a_copy(clock: Time, *, without: set[str] = frozenset()) -> MemoryStore:
    """Another store that holds the same backups, but for some."""
    store = MemoryStore("memory://copy", clock)
    init_store(store, "production", clock, lambda: "store-2")
    left_out = tuple(named(*without))
    for key, content in days().objects.items():
        if key != IDENTITY_KEY and not any(f"/{name}." in key or key.endswith(f"/{name}") for name in left_out):
            store.create(key, [content])
    return store


def named(*called: str) -> set[str]:
    """Names of backups."""
    return {days().names[one] for one in called}


def site(store: Store, **changes: object) -> Site:
    return Site(**({"store": store, "policy": POLICY} | changes))


def pruned(store: Store, clock: Time, word: str = "p1", **changes: object) -> PruningReport:
    """Plan and prune, as the command line does."""
    where = site(store, **changes)
    return prune(plan_pruning(where, clock), where, clock, by="a test", token=word)


def held(store: Store, clock: Time) -> Mapping[str, Backup]:
    return by_name(Catalog(store, clock, trust_index=False).backups())


def assert_restorable(store: Store, clock: Time, names: set[str]) -> None:
    """These are all there, with all they hang on, to the byte."""
    known = held(store, clock)
    assert names <= known.keys(), "a backup that stays is gone"
    for name in names:
        assert breaks(known[name], known) == ()
        key = archive_key(known[name].folder, name)
        assert b"".join(store.read(key)) == days().objects[key]


def assert_none_broken(store: Store, clock: Time) -> None:
    """Whatever is listed has its archive, and all it hangs on: also what is about to be deleted."""
    known, catalog = held(store, clock), Catalog(store, clock)
    assert catalog.unreadable == ()
    for one in known.values():
        assert breaks(one, known) == (), one.name
        assert archive_key(one.folder, one.name) in catalog.sizes, one.name


def assert_nothing_left(store: Store, names: set[str]) -> None:
    """Nothing lies in the store of any other backup than these."""
    for info in store.list(""):
        if info.key.split("/")[0] in {"daily", "weekly", "monthly", "incremental"}:
            assert info.key.split("/")[1].split(".")[0] in names, info.key
        if info.key.startswith("names/") and not info.key.startswith("names/runs/"):
            assert info.key.removeprefix("names/") in names, info.key
    runs = [info.key for info in store.list("names/runs/")]
    assert len(runs) == len(names)
    assert not [info.key for info in store.list(".staging/")]


def verify(store: Store, clock: Time, *called: str, passed: bool = True) -> None:
    """Note what a full verification came to."""
    known = held(store, clock)
    for name in named(*called):
        record = Verification(
            at=clock(),
            token=f"v{passed}",
            level=VerificationLevel.FULL,
            passed=passed,
            entries=1,
            vectors=0,
            bytes=1,
            seconds=0.1,
            host="here",
        )
        write_record(store, known[name].folder, name, record)
