"""What can be done after which restore, decided from what the store remembers."""

from datetime import UTC, datetime, timedelta

import pytest

from backup_engine.archive.manifest import BackupState, Folder
from backup_engine.errors import InvalidInput, RestoreRefused
from backup_engine.restore.lifecycle import KnownRestore, Progression
from backup_engine.restore.plan import RestorePlan
from backup_engine.restore.request import RestoreMode, RestoreRequest
from backup_engine.storage.identity import init_store
from backup_engine.storage.memory import MemoryStore
from vectorizer_backup.aftercare import choose, table, united
from vectorizer_backup.connecting import Place
from vectorizer_backup.restoring import connection_of
from vectorizer_backup.tickets import Followup

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
WEEK = timedelta(days=7)


def _known(restore_id: str, progression: Progression) -> KnownRestore:
    plan = RestorePlan(
        request=RestoreRequest(restore_id=restore_id, backup="backup-20261120", mode=RestoreMode.REPLACE),
        folder=Folder.DAILY,
        state=BackupState.GOOD,
        captured_at=NOW - WEEK,
        server_url="http://vector.example:15002",
        server_version="3.5.0",
        rate=300.0,
        collections=(),
    )
    return KnownRestore(restore_id=restore_id, progression=progression, planned_at=NOW, plan=plan)


PLANNED, STARTED, FINISHED, RELEASED, UNDONE = KNOWN = (
    _known("a" * 12, Progression.PLANNED),
    _known("b" * 12, Progression.STARTED),
    _known("c" * 12, Progression.FINISHED),
    _known("d" * 12, Progression.RELEASED),
    _known("e" * 12, Progression.UNDONE),
)


def _place(root: str) -> Place:
    store = MemoryStore()
    return Place(root, store, init_store(store, "main", lambda: NOW, lambda: root))


def test_what_several_stores_remember_belongs_where_it_began() -> None:
    primary, copy = _place("primary"), _place("copy")
    planned_too = PLANNED.model_copy(update={"restore_id": STARTED.restore_id})
    later = FINISHED.model_copy(update={"planned_at": NOW + WEEK})
    known, places = united([(primary, [planned_too, UNDONE]), (copy, [STARTED, later])])
    assert [one.restore_id for one in known] == [later.restore_id, UNDONE.restore_id, STARTED.restore_id]
    assert known[-1] is STARTED
    assert {restore: place.root for restore, place in places.items()} == {
        STARTED.restore_id: "copy",
        UNDONE.restore_id: "primary",
        later.restore_id: "copy",
    }


def test_the_latest_restore_is_not_guessed_while_a_store_is_silent() -> None:
    with pytest.raises(InvalidInput, match="cannot be known: the primary is away"):
        choose(Followup.RELEASE, "latest", KNOWN, NOW, WEEK, ["the primary is away"])
    by_id = choose(Followup.RELEASE, FINISHED.restore_id, KNOWN, NOW, WEEK, ["the primary is away"])
    assert [one.known for one in by_id] == [FINISHED]


def _chosen(followup: Followup, named: str | None) -> list[KnownRestore]:
    return [one.known for one in choose(followup, named, KNOWN, NOW, WEEK)]


@pytest.mark.parametrize(
    ("followup", "possible"),
    [
        (Followup.RELEASE, {STARTED.restore_id, FINISHED.restore_id, UNDONE.restore_id}),
        (Followup.UNDO, {STARTED.restore_id, FINISHED.restore_id}),
        (Followup.RESUME, {STARTED.restore_id}),
    ],
)
def test_only_what_makes_sense_is_done_and_the_message_says_what_would(followup, possible) -> None:
    for one in KNOWN:
        if one.restore_id in possible:
            assert _chosen(followup, one.restore_id) == [one]
        else:
            with pytest.raises(RestoreRefused, match=f"restore {one.restore_id} cannot be {followup.value[:4]}.*: it "):
                choose(followup, one.restore_id, KNOWN, NOW, WEEK)


def test_a_restore_that_was_only_planned_is_not_resumed_because_nobody_may_have_approved_it() -> None:
    with pytest.raises(RestoreRefused, match="was planned and never began"):
        choose(Followup.RESUME, PLANNED.restore_id, KNOWN, NOW, WEEK)


def test_the_latest_is_the_newest_that_began() -> None:
    assert _chosen(Followup.UNDO, "latest") == [STARTED]


def test_a_name_without_a_word_what_to_do_about_it_does_nothing() -> None:
    with pytest.raises(InvalidInput, match="say what to do about restore 'latest'"):
        choose(None, "latest", KNOWN, NOW, WEEK)


def test_what_is_due_is_about_no_restore_in_particular() -> None:
    assert choose(None, None, KNOWN, NOW, WEEK) == ()


@pytest.mark.parametrize("followup", list(Followup))
def test_nothing_is_done_about_a_restore_that_is_not_named_and_the_message_lists_what_there_is(followup) -> None:
    with pytest.raises(InvalidInput, match=f"say which restore to {followup.value}.*{FINISHED.restore_id}"):
        choose(followup, None, KNOWN, NOW, WEEK)


def test_an_unknown_restore_shows_those_there_are() -> None:
    with pytest.raises(InvalidInput, match=f"no restore '{'0' * 12}'.*{STARTED.restore_id}"):
        choose(Followup.UNDO, "0" * 12, KNOWN, NOW, WEEK)
    with pytest.raises(InvalidInput, match="remembers no restore"):
        choose(Followup.UNDO, "latest", (), NOW, WEEK)


def test_a_plan_that_cannot_be_read_is_shown_with_its_problem() -> None:
    broken = KnownRestore(
        restore_id="f" * 12, progression=Progression.UNREADABLE, planned_at=NOW, problem="plan.json is damaged"
    )
    assert "plan.json is damaged" in table([broken], NOW, WEEK)
    with pytest.raises(RestoreRefused, match=r"plan\.json is damaged"):
        choose(Followup.UNDO, "f" * 12, [broken], NOW, WEEK)


def test_the_table_says_of_each_restore_what_can_be_done_about_it() -> None:
    lines = table(KNOWN, NOW, WEEK).splitlines()
    assert len(lines) == 2 + len(KNOWN)
    assert all(one.restore_id in line for one, line in zip(KNOWN, lines[2:], strict=True))


def test_the_server_of_a_restore_is_found_by_its_address() -> None:
    addresses = {"own": "http://a:15002", "staging": "http://b:15002"}
    assert connection_of("http://b:15002", addresses, addresses.__getitem__) == "staging"
    assert connection_of("http://c:15002", addresses, addresses.__getitem__) is None
