"""Which backups are read again: in the long run all of them."""

from backup_engine.archive.manifest import BackupKind
from backup_engine.catalog import Catalog
from backup_engine.chain import all_bases, by_name
from backup_engine.records import Verification, VerificationLevel, write_record
from backup_engine.rotation import choose_for_verification
from tests.engine.captures import Time, capture, new_store
from tests.engine.memory_server import MemoryServer


def _store_with(backups: int):
    clock = Time()
    store, server = new_store(clock), MemoryServer(clock=clock)
    server.fill("docs", 3)
    clock.pass_by(minutes=30)
    for number in range(backups):
        capture(server, store, clock, run=f"run {number}")
        clock.pass_by(days=1)
    return store, clock


def _verify(store, clock, backup, *, passed=True, level=VerificationLevel.FULL) -> None:
    figures = {"entries": 1, "vectors": 3, "bytes": 1, "seconds": 0.1}
    token = f"t{clock.now.timestamp():.0f}"
    record = Verification(at=clock(), token=token, level=level, passed=passed, host="h", **figures)
    write_record(store, backup.folder, backup.name, record)
    clock.pass_by(hours=1)


def test_the_newest_verified_one_comes_first_and_then_those_unread_for_longest() -> None:
    store, clock = _store_with(4)
    newest, second, third, oldest = Catalog(store, clock).backups()
    _verify(store, clock, oldest)
    _verify(store, clock, second)
    choices = choose_for_verification(Catalog(store, clock).backups(), 3)
    assert [choice.backup.name for choice in choices] == [second.name, third.name, newest.name]
    assert "newest verified" in choices[0].reason
    assert choices[1].reason.startswith("unread since 2026-11-23")


def test_a_quick_look_is_no_reading_and_a_failed_reading_is_one() -> None:
    store, clock = _store_with(2)
    newer, older = Catalog(store, clock).backups()
    _verify(store, clock, older, passed=False)
    _verify(store, clock, newer, level=VerificationLevel.QUICK)
    choices = choose_for_verification(Catalog(store, clock).backups(), 2)
    assert [choice.backup.name for choice in choices] == [newer.name, older.name]


def test_every_backup_has_its_turn() -> None:
    store, clock = _store_with(7)
    seen: set[str] = set()
    for _ in range(4):
        for choice in choose_for_verification(Catalog(store, clock).backups(), 3):
            seen.add(choice.backup.name)
            _verify(store, clock, choice.backup)
        clock.pass_by(weeks=1)
    assert len(seen) == 7


def _store_with_incrementals():
    """Three fulls, and between the days six incrementals each: those hang on their full and on each other."""
    clock = Time()
    store, server = new_store(clock), MemoryServer(clock=clock)
    server.fill("docs", 30)
    clock.pass_by(minutes=30)
    for day in range(3):
        capture(server, store, clock, run=f"full {day}")
        for number in range(6):
            clock.pass_by(hours=1)
            server.fill("docs", 1, seed=100 * day + number)
            capture(server, store, clock, run=f"incremental {day} {number}", incremental=True)
        clock.pass_by(hours=18)
    return store, clock


def test_what_the_newest_verified_one_hangs_on_is_read_with_it_whatever_the_count() -> None:
    store, clock = _store_with_incrementals()
    newest, *_ = Catalog(store, clock).backups()
    _verify(store, clock, newest)
    first, *others = choose_for_verification(Catalog(store, clock).backups(), 1)
    bases = all_bases(newest, by_name(Catalog(store, clock).backups()))
    assert first.backup.name == newest.name
    assert len(bases) == 2
    assert [choice.backup.name for choice in others] == [base.name for base in reversed(bases)]
    assert all(choice.reason.startswith(f"{newest.name} hangs on it") for choice in others)


def test_incrementals_keep_no_full_from_its_turn() -> None:
    store, clock = _store_with_incrementals()
    choices = choose_for_verification(Catalog(store, clock).backups(), 2)
    assert [choice.backup.kind for choice in choices] == [BackupKind.FULL] * 2 + [BackupKind.INCREMENTAL] * 2
    oldest_first = sorted(Catalog(store, clock).backups(), key=lambda one: one.captured_at)
    for kind in BackupKind:
        wanted = [backup.name for backup in oldest_first if backup.kind is kind][:2]
        assert [choice.backup.name for choice in choices if choice.backup.kind is kind] == wanted


def test_every_incremental_has_its_turn_too() -> None:
    store, clock = _store_with_incrementals()
    seen: set[str] = set()
    for _ in range(8):
        for choice in choose_for_verification(Catalog(store, clock).backups(), 3):
            seen.add(choice.backup.name)
            _verify(store, clock, choice.backup)
    assert seen == {backup.name for backup in Catalog(store, clock).backups()}


def test_nothing_is_chosen_from_nothing() -> None:
    assert choose_for_verification((), 4) == ()
