"""What an incremental builds on: the newest good backup whose chains are whole, and nothing of before a change of the
server; whatever is stored whole says why.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.manifest import (
    ArchiveFacts,
    BackupKind,
    BackupState,
    Base,
    Content,
    Folder,
    ServerVersion,
    Standing,
)
from backup_engine.backup import Backup
from backup_engine.capture.basing import BETWEEN_READINGS, Found, choose_bases
from backup_engine.chain import by_name, chain_of
from backup_engine.model import CollectionState, ServerFacts
from backup_engine.records import Verification, VerificationLevel
from tests.engine.captures import SUNDAY
from tests.engine.manifests import manifest

STARTED = SUNDAY - timedelta(days=30)
NOW = SUNDAY + timedelta(hours=1)
VERSION = ServerVersion(version="3.5.0", started_at=STARTED)


def backup(
    counts: dict[str, int], *, name: str = "backup-202611", at: datetime = SUNDAY, clear=None, **summary
) -> Backup:
    """A good full of these collections, or what ``clear`` and ``summary`` change in it."""
    made = manifest(counts, name=name, captured_at=at)
    summaries = tuple(
        one.model_copy(update={"state_digest": f"{name}-{one.key}", "configuration_sha256": "sha", **summary})
        for one in made.clear.collections
    )
    of_all = {"restore_fencing": 3, "server": VERSION, "collections": summaries} | (clear or {})
    changed = made.model_copy(update={"clear": made.clear.model_copy(update=of_all)})
    return Backup.of(changed, ArchiveFacts(bytes=0, entries=()))


def delta_on(base: Backup, *, name: str, at: datetime, number: int = 1, **summary) -> Backup:
    """An incremental whose one collection is a delta on the other one's."""
    on = base.manifest.clear.collections[0]
    link = Base(
        folder=base.folder,
        name=base.name,
        run_key=base.manifest.clear.run_key,
        key=on.key,
        state_digest=on.state_digest,
    )
    changes = {"content": Content.DELTA, "base": link, "number": number} | summary
    clear = {"kind": BackupKind.INCREMENTAL, "folder": Folder.INCREMENTAL}
    names = {base.manifest.name_of(on.key): on.vectors}
    return backup(names, name=name, at=at, clear=clear, **changes)


def state(name: str = "docs", vectors: int = 10, **changes) -> CollectionState:
    given_now = {"name": name, "vectors": vectors, "dimension": 4, "created_at": "c", "updated_at": "u"}
    return CollectionState(**(given_now | changes))


def found(*states: CollectionState, now: datetime = NOW, uptime: timedelta | None = None, **changes) -> Found:
    seconds = int((uptime or now - STARTED).total_seconds())
    facts = ServerFacts(url="x", version="3.5.0", uptime_seconds=seconds)
    version = ServerVersion(version=changes.pop("version", "3.5.0"), started_at=now - timedelta(seconds=seconds))
    return Found(facts, states, now, now, version, changes.pop("restore_fencing", 3))


def test_it_builds_on_the_newest_good_backup_and_reads_nothing_of_what_did_not_change():
    older, newer = backup({"docs": 10}, at=SUNDAY - timedelta(days=1)), backup({"docs": 10}, name="backup-20261122")
    bases = choose_bases([newer, older], found(state(), now=NOW))
    basis = bases.of["docs"]
    assert (basis.base.name, basis.newest.name, basis.number) == (newer.name, newer.name, 1)
    assert basis.unchanged
    assert basis.read_at == newer.started_at
    assert bases.remarks == ()


@pytest.mark.parametrize(
    ("now", "then"),
    [(state(vectors=11), "u"), (state(updated_at="later"), "u"), (state(updated_at=""), "")],
    ids=["count", "time of the last change", "a server that does not tell"],
)
def test_what_changed_or_may_have_is_read(now, then):
    assert not choose_bases([backup({"docs": 10}, updated_at=then)], found(now)).of["docs"].unchanged


def test_what_was_fuzzy_is_read_again_whatever_the_server_says():
    assert not choose_bases([backup({"docs": 10}, standing=Standing.FUZZY)], found(state())).of["docs"].unchanged


def test_at_least_once_a_day_a_collection_is_really_read():
    full = backup({"docs": 10})
    hardly, too_long = BETWEEN_READINGS - timedelta(seconds=1), BETWEEN_READINGS
    assert choose_bases([full], found(state(), now=SUNDAY + hardly)).of["docs"].unchanged
    assert not choose_bases([full], found(state(), now=SUNDAY + too_long)).of["docs"].unchanged
    pointing = backup({"docs": 10}, read_at=SUNDAY - timedelta(hours=23, minutes=30))
    assert not choose_bases([pointing], found(state())).of["docs"].unchanged


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"restore_fencing": 4}, "a restore changed the server"),
        ({"version": "3.6.0"}, r"is of Vectorizer 3\.5\.0, and the server is 3\.6\.0"),
        ({"uptime": timedelta(minutes=5)}, "the server was started since"),
        ({"uptime": timedelta(days=90)}, "the server was started since"),
    ],
    ids=["restore", "upgrade", "start", "a clock that was set"],
)
def test_nothing_from_before_a_change_of_the_server_is_compared(changes, reason):
    bases = choose_bases([backup({"docs": 10})], found(state(), **changes))
    assert bases.of == {}
    assert len(bases.remarks) == 1
    assert re.search(reason, bases.remarks[0])
    assert choose_bases([backup({"docs": 10})], found(state())).of != {}


def test_a_backup_that_does_not_know_of_restores_is_no_base():
    bases = choose_bases([backup({"docs": 10}, clear={"restore_fencing": None})], found(state()))
    assert bases.of == {}
    assert "does not say which restore" in bases.remarks[0]


def test_new_dropped_recreated_and_re_dimensioned_collections_are_what_they_are():
    full = backup({"docs": 10, "gone": 5, "anew": 5, "wider": 5})
    now = found(state(), state("new", 1), state("anew", 5, created_at="d"), state("wider", 5, dimension=8))
    bases = choose_bases([full], now)
    assert set(bases.of) == {"docs"}
    assert bases.remarks == (
        "stored whole, being new since backup-202611: 'new'",
        "stored whole, being created anew since backup-202611: 'anew'",
        "stored whole, being of another dimension than in backup-202611: 'wider'",
    )


@pytest.mark.parametrize("standing", [Standing.INCOMPLETE, Standing.UNREADABLE])
def test_what_was_not_all_read_is_no_base(standing):
    assert choose_bases([backup({"docs": 10}, standing=standing)], found(state())).of == {}


@pytest.mark.parametrize(
    "clear", [{"state": BackupState.SUSPECT}, {"state": BackupState.PARTIAL}, {"whole_scope": False}], ids=str
)
def test_only_good_backups_of_the_whole_scope_serve(clear):
    assert choose_bases([backup({"docs": 10}, clear=clear)], found(state())).of == {}


def test_a_backup_from_the_future_does_not_serve():
    later = backup({"docs": 10}, at=NOW + timedelta(seconds=1))
    bases = choose_bases([later], found(state()))
    assert bases.of == {}
    assert "is to come by this clock" in bases.remarks[0]
    assert choose_bases([later], found(state(), now=NOW + timedelta(seconds=1))).of != {}


def test_a_broken_chain_or_a_damaged_backup_is_passed_over_and_said():
    full = backup({"docs": 10}, at=SUNDAY - timedelta(days=2))
    lost = backup({"docs": 10}, name="backup-20261121", at=SUNDAY - timedelta(days=1))
    hanging = delta_on(lost, name="backup-20261121-230000", at=SUNDAY)
    bases = choose_bases([hanging, full], found(state()))
    assert bases.of["docs"].base.name == full.name
    assert "hangs on backup-20261121, which is not there" in bases.remarks[0]
    failed = Verification(
        at=SUNDAY,
        token="t",
        level=VerificationLevel.FULL,
        passed=False,
        entries=1,
        vectors=1,
        bytes=1,
        seconds=1,
        host="h",
    )
    damaged = Backup.of(lost.manifest, lost.archive, (failed,))
    bases = choose_bases([damaged, full], found(state()))
    assert bases.of["docs"].base.name == full.name
    assert "was found damaged" in bases.remarks[0]


def test_of_two_of_one_instant_the_full_is_built_on():
    full = backup({"docs": 10})
    delta = delta_on(full, name="backup-20261122-100000", at=SUNDAY + timedelta(minutes=30))
    synthetic = backup({"docs": 10}, name="backup-20261122-100000-2", at=SUNDAY + timedelta(minutes=30))
    assert choose_bases([delta, synthetic, full], found(state())).of["docs"].base.name == synthetic.name
    assert choose_bases([delta, full], found(state())).of["docs"].newest.name == delta.name


@settings(max_examples=20)
@given(st.integers(1, 200))
def test_chains_stay_short_and_every_eighth_delta_hangs_on_no_other(deltas):
    """As many captures as deltas, each planned from the one before."""
    backups = [backup({"docs": 10}, at=SUNDAY)]
    for number in range(1, deltas + 1):
        at = SUNDAY + timedelta(seconds=number)
        basis = choose_bases(backups[::-1], found(state(), now=at)).of["docs"]
        assert basis.number == number
        base = next(one for one in backups if one.name == basis.base.name)
        backups.append(delta_on(base, name=f"backup-{number}", at=at, number=number))
    links = chain_of(backups[-1], "c0001", by_name(backups))
    assert len(links) == 1 + deltas.bit_count()
    eighths = [one for number, one in enumerate(backups) if number % 8 == 0]
    for one in eighths:
        assert chain_of(one, "c0001", by_name(eighths))


def test_a_pointer_is_no_base_but_what_it_points_to():
    full = backup({"docs": 10})
    delta = delta_on(full, name="backup-1", at=SUNDAY + timedelta(minutes=1), vectors=12, counted=12)
    digest = delta.manifest.clear.collections[0].state_digest
    pointer = delta_on(
        delta,
        name="backup-2",
        at=SUNDAY + timedelta(minutes=2),
        content=Content.SAME,
        state_digest=digest,
        read_at=SUNDAY,
        vectors=12,
        counted=12,
    )
    basis = choose_bases([pointer, delta, full], found(state(vectors=12))).of["docs"]
    assert (basis.newest.name, basis.base.name, basis.number) == ("backup-1", full.name, 2)
    assert (basis.read_at, basis.vectors, basis.unchanged) == (SUNDAY, 12, True)
