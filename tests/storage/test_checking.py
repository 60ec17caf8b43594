"""`store check` finds each broken promise, in words, raises nothing, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from backup_engine.errors import ObjectChanged, StoreDenied, StoreFull, StoreNotInitialised, StoreUnavailable
from backup_engine.findings import Finding, Level
from backup_engine.model import system_clock
from backup_engine.storage.checking import check_store
from backup_engine.storage.identity import init_store
from backup_engine.storage.local import LocalStore
from backup_engine.storage.memory import MemoryStore
from tests.storage.faulty import Fault, FaultyStore, Killed, fault_points
from tests.storage.test_suite_catches import (
    BarePrefix,
    CarelessReplace,
    FolderOrder,
    KeepingWhatWasWritten,
    LookThenCreate,
    OverwritingCreate,
    OverwritingJoin,
    ShortRead,
    SortingJoin,
    StrictDelete,
)

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
ALL_OK = [
    "whose store it is",
    "write and read",
    "write that is given up",
    "create only",
    "replace if unchanged",
    "ranges",
    "list",
    "join",
    "clocks",
    "delete one",
    "delete",
    "rights",
]


def clock() -> datetime:
    return NOW


def check(store) -> dict[str, Finding]:
    return {finding.what: finding for finding in check_store(store, clock, "token")}


def wrong(store) -> set[str]:
    return {what for what, finding in check(store).items() if finding.level is Level.MISSING}


def initialised(kind=MemoryStore, **more):
    store = kind(clock=clock, **more)
    init_store(store, "production", clock, lambda: "id-1")
    return store


def test_a_store_that_keeps_its_promises_passes_and_is_left_as_it_was():
    store = initialised()
    found = check(store)
    assert list(found) == ALL_OK
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert not any(finding.remedy for finding in found.values())
    assert [info.key for info in store.list("")] == ["store.json"]


def test_every_implementation_passes(store):
    found = [*check_store(store, system_clock, "token")]
    assert [finding for finding in found if finding.level is Level.MISSING] == []
    assert [info.key for info in store.list("")] == []


def test_a_place_that_is_no_store_yet_is_worth_a_note():
    found = check(MemoryStore(clock=clock))["whose store it is"]
    assert (found.level, "store init" in found.remedy) == (Level.NOTE, True)


def test_somebody_elses_store_json_is_said():
    store = MemoryStore(clock=clock)
    store.create("store.json", [b"{}"])
    assert wrong(store) == {"whose store it is"}


# ------------------------------------------------------------------ each promise, broken


class Garbling(MemoryStore):
    """Changes what it is given."""

    def create(self, key, chunks):
        return super().create(key, [b"".join(chunks)[::-1]])


class Truncating(MemoryStore):
    """Keeps the first part of what is large."""

    def create(self, key, chunks):
        return super().create(key, [b"".join(chunks)[: 8 << 20]])


class LookThenCreateLarge(MemoryStore):
    """Honours `only if it is not there` for what goes in one request, and not for what goes in parts."""

    def create(self, key, chunks):
        self._require_free(key)
        data = b"".join(chunks)
        if len(data) < 8 << 20:
            return self._keep_new(key, data)
        with self._lock:
            return self._keep(key, data)


class LateReplace(MemoryStore):
    """What was replaced is read as it was, for a while."""

    def replace(self, key, data, *, version):
        before = self._objects.get(key)
        info = super().replace(key, data, version=version)
        self._objects[key] = replace(self._objects[key], data=before.data)
        return info


class ReplaceMakes(MemoryStore):
    """Makes what is gone."""

    def replace(self, key, data, *, version):
        return super().replace(key, data, version=version) if key in self._objects else self.create(key, [data])


class LookThenReplace(MemoryStore):
    """Looks whether it is unchanged, as all who come at the same moment do, and writes."""

    def __init__(self, **more):
        super().__init__(**more)
        self.together = Barrier(4)

    def replace(self, key, data, *, version):
        if key not in self._objects or str(self._objects[key].version) != version:
            raise ObjectChanged(key)
        if data[:1].isdigit():  # one of those that race
            self.together.wait(timeout=10)
        with self._lock:
            return self._keep(key, data)


class ShiftedRange(MemoryStore):
    """Gives a range that begins one byte late, as a proxy may that counts from one."""

    def read(self, key, *, offset=0, length=None):
        return super().read(key, offset=offset + (1 if offset and length else 0), length=length)


class WholeForRange(MemoryStore):
    """Answers a range with everything, as servers do that do not know ranges."""

    def read(self, key, *, offset=0, length=None):
        return super().read(key)


class LateListing(MemoryStore):
    """Lists what was written only later."""

    def list(self, prefix):
        return iter([*super().list(prefix)][:-1])


class GhostListing(MemoryStore):
    """Lists what was deleted."""

    def __init__(self, **more):
        super().__init__(**more)
        self.gone = []

    def delete(self, keys):
        listed = [*keys]
        self.gone += [info for info in MemoryStore.list(self, "") if info.key in listed]
        super().delete(listed)

    def list(self, prefix):
        known = {info.key: info for info in [*super().list(prefix), *self.gone] if info.key.startswith(prefix)}
        return iter(known[key] for key in sorted(known))


class WrongSizes(MemoryStore):
    def list(self, prefix):
        return (replace(info, size=info.size + 1) for info in super().list(prefix))


class KeepingDelete(MemoryStore):
    """Says that it deletes, and does not: what a trash can, or a lock nobody tells of, looks like."""

    def delete(self, keys):
        return None


class NoTail(MemoryStore):
    def join(self, key, sources, tail=b""):
        return super().join(key, sources)


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (Garbling, "write and read"),
        (Truncating, "write and read"),
        (KeepingWhatWasWritten, "write that is given up"),
        (OverwritingCreate, "create only"),
        (LookThenCreate, "create only"),
        (LookThenCreateLarge, "create only"),
        (CarelessReplace, "replace if unchanged"),
        (LateReplace, "replace if unchanged"),
        (ReplaceMakes, "replace if unchanged"),
        (LookThenReplace, "replace if unchanged"),
        (ShiftedRange, "ranges"),
        (WholeForRange, "ranges"),
        (ShortRead, "ranges"),
        (LateListing, "list"),
        (GhostListing, "list"),
        (FolderOrder, "list"),
        (BarePrefix, "list"),
        (WrongSizes, "list"),
        (SortingJoin, "join"),
        (OverwritingJoin, "join"),
        (NoTail, "join"),
        (StrictDelete, "delete one"),
        (KeepingDelete, "delete one"),
        (KeepingDelete, "delete"),
        (GhostListing, "delete"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_broken_promise_is_found_and_what_to_do_is_said(broken, what):
    finding = check(initialised(broken))[what]
    assert finding.level is Level.MISSING
    assert finding.found
    assert finding.remedy


@pytest.mark.parametrize(
    ("off", "level"),
    [
        (timedelta(0), Level.OK),
        (timedelta(seconds=-20), Level.OK),
        (timedelta(minutes=2), Level.NOTE),
        (timedelta(minutes=10), Level.MISSING),
        (timedelta(minutes=-10), Level.MISSING),
    ],
)
def test_a_clock_that_differs_is_said_with_by_how_much(off, level):
    finding = check(MemoryStore(clock=lambda: NOW + off))["clocks"]
    assert finding.level is level
    assert f"{abs(off.total_seconds()):.0f} s" in finding.found
    assert ("NTP" in finding.remedy) is (level is not Level.OK)


def test_a_clock_of_whole_seconds_is_no_difference():
    def exact() -> datetime:
        return NOW + timedelta(microseconds=999_999)

    class WholeSeconds(MemoryStore):
        def stat(self, key):
            found = super().stat(key)
            return replace(found, modified_at=found.modified_at.replace(microsecond=0))

    found = {finding.what: finding for finding in check_store(WholeSeconds(clock=exact), exact, "t")}
    assert found["clocks"].level is Level.OK


# ------------------------------------------------------------------ rights


@pytest.mark.parametrize(
    ("denied", "what"),
    [
        ("read", {"whose store it is", "write and read"}),
        ("create", {"write and read"}),
        ("replace", {"replace if unchanged"}),
        ("join", {"join"}),
        ("list", {"list", "delete"}),
        ("delete", {"list", "delete one", "delete"}),
    ],
)
def test_a_right_that_is_denied_is_named_and_no_exception(denied, what):
    found = check(Denying(initialised(), denied))
    assert {name for name, finding in found.items() if finding.level is Level.MISSING} == {*what, "rights"}
    assert all("StoreDenied" in found[name].found and "grant" in found[name].remedy for name in what)
    assert all(name in found["rights"].found for name in what)


class Denying:
    """A store that refuses one kind of call."""

    def __init__(self, inner, denied):
        self._inner = inner
        self._denied = denied

    def __getattr__(self, name):
        if name == self._denied:
            return self._refuse
        if name == "look_at_settings":
            raise AttributeError(name)
        return getattr(self._inner, name)

    def _refuse(self, *_, **__):
        raise StoreDenied("not yours")


def test_where_nothing_can_be_deleted_what_stays_is_said():
    finding = check(Denying(initialised(), "delete"))["delete"]
    assert ".staging/check-token/" in finding.found
    assert "by hand" in finding.found


def test_where_nothing_can_be_written_nothing_else_is_tried():
    found = check(Denying(initialised(), "create"))
    assert list(found) == ["whose store it is", "write and read", "delete", "rights"]


@pytest.mark.parametrize("error", [StoreUnavailable, StoreNotInitialised, StoreFull])
def test_a_place_that_does_not_answer_is_a_finding_with_a_remedy(error):
    class Gone(MemoryStore):
        def create(self, key, chunks):
            raise error("it is not there")

    finding = check(Gone(clock=clock))["write and read"]
    assert finding.level is Level.MISSING
    assert error.__name__ in finding.found
    assert finding.remedy


def test_a_place_that_is_silent_is_not_asked_ten_times():
    store = FaultyStore(initialised(), Fault(1, error=lambda: StoreUnavailable("no route")))
    found = check(store)
    assert "StoreUnavailable: no route" in found["whose store it is"].found
    assert list(found) == ["whose store it is"]


def test_a_directory_that_is_missing_is_a_finding(tmp_path):
    found = check(LocalStore(tmp_path / "unmounted"))
    assert list(found) == ["whose store it is", "write and read"]
    assert found["write and read"].level is Level.MISSING
    assert "store init" in found["write and read"].remedy


# ------------------------------------------------------------------ whatever goes wrong


def test_whichever_call_fails_it_is_a_finding_and_nothing_is_left_behind():
    def run(store):
        return [*check_store(store, clock, "token")]

    watched = FaultyStore(initialised())
    run(watched)
    looks_again = len(watched.calls) - 2  # when all is told, it makes sure once more that nothing is left
    for fault in [*fault_points(run, initialised, error=lambda: StoreUnavailable("once"))][::3]:
        inner = initialised()
        findings = run(FaultyStore(inner, fault))
        assert any(finding.level is Level.MISSING for finding in findings) or fault.call > looks_again, fault
        assert [info.key for info in inner.list("")] == ["store.json"], fault


def test_who_stops_listening_leaves_nothing_behind():
    store = initialised()
    findings = check_store(store, clock, "token")
    for _ in range(4):
        next(findings)
    assert len([*store.list(".staging/")]) > 0
    findings.close()
    assert [info.key for info in store.list("")] == ["store.json"]


def test_nothing_outside_its_own_folder_is_written():
    store = FaultyStore(initialised())
    check(store)
    written = [call.key for call in store.calls if call.method in {"create", "replace", "join"}]
    assert all(key.startswith(".staging/check-token/") for key in written)
    deleted = [key for call in store.calls if call.method == "delete" for key in call.key.split(",") if key]
    assert all(key.startswith(".staging/check-token/") for key in deleted)


def test_a_kill_is_no_finding():
    with pytest.raises(Killed):
        check(FaultyStore(initialised(), Fault(6)))


# ------------------------------------------------------------------ settings


class Told(MemoryStore):
    def look_at_settings(self) -> Iterator[Finding]:
        yield Finding(Level.OK, "versioning", "on")
        yield Finding(Level.MISSING, "lifecycle", "objects are deleted after 30 days", "remove that rule")


def test_a_store_that_can_tell_its_settings_is_asked_last():
    found = check(initialised(Told))
    assert [*found][-2:] == ["versioning", "lifecycle"]
    assert found["lifecycle"].level is Level.MISSING


def test_settings_that_may_not_be_looked_at_are_a_note():
    class Shy(MemoryStore):
        def look_at_settings(self):
            yield Finding(Level.OK, "versioning", "on")
            raise StoreDenied("s3:GetLifecycleConfiguration")

    found = check(initialised(Shy))
    assert (found["settings"].level, found["versioning"].level) == (Level.NOTE, Level.OK)
    assert "s3:GetLifecycleConfiguration" in found["settings"].found
