"""What a pruning shows people, and how it compares what is there with what was planned. Pure."""

from datetime import UTC, datetime, timedelta

import pytest

from backup_engine.archive.manifest import BackupKind, Folder, archive_key, sidecar_key
from backup_engine.errors import PruningRefused
from backup_engine.retention.plan import Kept, LetGo, Quarantined, RetentionPlan
from backup_engine.storage.memory import MemoryStore
from vectorizer_backup.pruning import (
    freeze,
    frozen,
    gone_table,
    kept_table,
    question,
    summary,
    tables,
    unlike,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def kept(number: int, reason: str = "first of its day") -> Kept:
    common = {"folder": Folder.DAILY, "kind": BackupKind.FULL, "captured_at": NOON - timedelta(days=number)}
    return Kept(name=f"kept-{number}", bytes=2_000_000, reasons=(reason,), **common)


def let_go(number: int, **changes) -> LetGo:
    given = {
        "name": f"gone-{number}",
        "folder": Folder.INCREMENTAL,
        "kind": BackupKind.INCREMENTAL,
        "captured_at": NOON - timedelta(days=30 + number),
        "bytes": 1_000_000,
        "run_key": f"{number:016x}",
        "fingerprint": "f",
        "reason": "thinned out",
    }
    return LetGo(**(given | changes))


def plan(keep: int = 2, delete: int = 3, **changes) -> RetentionPlan:
    given = {
        "deployment": "alpha",
        "store": "file:///backups/alpha",
        "store_id": "s",
        "made_at": NOON,
        "anchor": NOON,
        "keep": tuple(map(kept, range(keep))),
        "delete": tuple(map(let_go, range(delete))),
    }
    return RetentionPlan(**(given | changes))


def keys(*backups: Kept | LetGo) -> set[str]:
    return {make(one.folder, one.name) for one in backups for make in (sidecar_key, archive_key)}


def test_one_sentence_says_how_much_stays_and_how_much_goes():
    assert summary(plan()) == "file:///backups/alpha: 2 backups (4.0 MB) stay, 3 backups (3.0 MB) go"
    strange = (Quarantined(key="daily/x", reason="it is of nobody"),)
    assert summary(plan(quarantine=strange)).endswith("go, 1 thing in quarantine")


def test_everything_has_its_row_with_its_reason_and_what_has_no_room_is_counted_by_reason():
    assert kept_table([kept(0)]).splitlines()[2] == (
        "| daily/kept-0 | 2026-11-23 12:00:00Z | 2.0 MB | first of its day |"
    )
    many = [kept(number, "young" if number % 2 else "pinned") for number in range(230)]
    table = kept_table(many)
    assert "kept-199" in table
    assert "kept-200" not in table
    assert table.endswith("and 30 more (15: pinned; 15: young)")
    assert gone_table([let_go(number) for number in range(201)]).endswith("and 1 more (1: thinned out)")


def test_names_from_outside_stay_in_their_cell():
    assert len(kept_table([kept(0, "a | b\nc")]).splitlines()) == 3


def test_a_run_tells_what_stays_what_goes_what_is_strange_and_what_is_asked():
    strange = (Quarantined(key="daily/x", reason="it is of nobody"),)
    said = "\n".join(tables(plan(quarantine=strange, questions=("much would go",))))
    assert all(
        word in said for word in ("kept-1", "gone-2", "In quarantine: daily/x: it is of nobody", "much would go")
    )


def test_a_question_shows_why_somebody_is_asked_and_all_that_would_go():
    asked = question([plan(delete=1, questions=("much would go",)), plan(store="s3://b/alpha", questions=("no copy",))])
    assert all(word in asked for word in ("* much would go", "* no copy", "s3://b/alpha", "gone-0", "pin it"))


class TestLookingAgain:
    def test_what_was_planned_is_gone_and_all_else_is_there(self):
        it = plan()
        assert unlike(it, keys(*it.keep), ()) == []
        assert unlike(it, keys(*it.keep) | {"daily/new.json", "daily/new.tar.gz"}, ()) == [], "a backup came meanwhile"

    def test_what_is_still_there_is_told_unless_it_was_spared(self):
        it = plan()
        there = keys(*it.keep, it.delete[1])
        assert unlike(it, there, ()) == ["gone-1 is still there"]
        assert unlike(it, there, ("gone-1",)) == []
        assert unlike(it, keys(*it.keep) | {archive_key(it.delete[1].folder, "gone-1")}, ()) == [
            "gone-1 is still there"
        ]

    @pytest.mark.parametrize("missing", [sidecar_key, archive_key])
    def test_what_was_to_stay_and_is_not_whole_is_told(self, missing):
        it = plan()
        there = keys(*it.keep) - {missing(it.keep[0].folder, "kept-0")}
        assert unlike(it, there, ()) == ["kept-0 is gone, and was to stay"]


class TestFrozenPlans:
    def test_what_was_approved_is_what_is_read_again(self):
        store = MemoryStore()
        key = freeze(store, plan(), "t1")
        assert key == "prunings/plans/20261123T120000Z-t1.json"
        assert frozen(store, key) == plan()

    def test_a_plan_that_is_gone_or_damaged_deletes_nothing_and_says_what_to_do(self):
        store = MemoryStore()
        with pytest.raises(PruningRefused, match="cannot be read any more"):
            frozen(store, "prunings/plans/x.json")
        store.create("prunings/plans/x.json", [b"{"])
        with pytest.raises(PruningRefused, match="cannot be read any more"):
            frozen(store, "prunings/plans/x.json")
