"""What sync decides: what is brought where and why, and what never is. From inventories alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.manifest import ArchiveFacts, BackupState, Manifest
from backup_engine.backup import Backup
from backup_engine.copies.inventory import HeldBackup, Inventory
from backup_engine.copies.planning import Direction, SyncAction, SyncPlan, plan_sync
from backup_engine.records import TRAVELLING_KINDS, Acknowledgement, Copied, Verification, VerificationLevel
from tests.engine.captures import SUNDAY
from tests.engine.manifests import manifest

SIZE = 1000
ACKNOWLEDGED = Acknowledgement(at=SUNDAY, token="a", by="dana", why="it was meant")
OUT, BACK, BOTH = Direction


def verification(*, passed: bool) -> Verification:
    return Verification(
        at=SUNDAY,
        token="v",
        level=VerificationLevel.FULL,
        passed=passed,
        entries=1,
        vectors=1,
        bytes=1,
        seconds=1,
        host="here",
    )


def copied(store_id: str) -> Copied:
    return Copied(at=SUNDAY, token="c", to=f"s3://{store_id}", store_id=store_id, bytes=SIZE)


@cache
def described(name: str, content: int, state: str) -> Manifest:
    made = manifest({"docs": 10}, name=name, captured_at=SUNDAY + timedelta(days=int(name.rpartition("-")[2])))
    clear = made.clear.model_copy(update={"run_key": f"{content:016x}", "state": BackupState(state)})
    return made.model_copy(update={"clear": clear})


def held(name: str, *, content: int = 0, state: str = "good", health: str = "intact", records=()) -> HeldBackup:
    """A backup: those with a higher number in their name are newer."""
    more = (verification(passed=False),) if health == "damaged" else ()
    facts = ArchiveFacts(bytes=SIZE, entries=())
    backup = Backup.of(described(name, content, state), facts, (*records, *more))
    return HeldBackup(backup, {"missing": None, "short": SIZE - 1}.get(health, SIZE))


def place(number: int, *backups: HeldBackup, **changes) -> Inventory:
    given = {"shown": f"place {number}", "store_id": f"id-{number}", "deployment": "production"}
    return Inventory(f"s3://c@place-{number}", backups, **(given | changes))


def steps(plan: SyncPlan) -> list[tuple[str, str, str, str]]:
    return [
        (step.backup, step.action.value, step.source.removeprefix("s3://c@"), step.target.removeprefix("s3://c@"))
        for step in plan.steps
    ]


def plan(*places: Inventory, direction: Direction = OUT) -> SyncPlan:
    return plan_sync(places, direction=direction)


# ------------------------------------------------------------------ examples


def test_what_a_copy_lacks_is_brought_newest_first_with_its_size_and_why():
    found = plan(place(0, held("b-1"), held("b-3"), held("b-2")), place(1, held("b-2", records=[copied("id-0")])))
    assert steps(found) == [("b-3", "copy", "place-0", "place-1"), ("b-1", "copy", "place-0", "place-1")]
    assert (found.steps[0].bytes, found.steps[0].reason, found.bytes) == (SIZE, "it is missing there", 2 * SIZE)
    assert found.conflicts == found.left == ()


def test_every_copy_gets_it():
    found = plan(place(0, held("b-1")), place(1), place(2))
    assert [step[3] for step in steps(found)] == ["place-1", "place-2"]


def test_a_lost_primary_is_rebuilt_from_whichever_copy_has_it():
    found = plan(place(0), place(1, held("b-1")), place(2, held("b-1"), held("b-2")), direction=BACK)
    assert steps(found) == [("b-2", "copy", "place-2", "place-0"), ("b-1", "copy", "place-1", "place-0")]


def test_both_ways_every_place_gets_what_any_has():
    found = plan(place(0, held("b-1")), place(1, held("b-2")), direction=BOTH)
    assert steps(found) == [("b-2", "copy", "place-1", "place-0"), ("b-1", "copy", "place-0", "place-1")]


def test_out_tells_what_only_a_copy_has_and_back_what_only_the_primary_has():
    places = place(0, held("b-1")), place(1, held("b-2"))
    assert "b-2 lies in place 1 and not in place 0; direction `back`" in " ".join(plan(*places).left)
    assert "b-1 lies in place 0 only; direction `out`" in " ".join(plan(*places, direction=BACK).left)


@pytest.mark.parametrize("state", ["partial", "suspect"])
def test_what_is_not_good_is_brought_by_name_only(state):
    found = plan(place(0, held("b-1", state=state)), place(1))
    assert found.steps == found.conflicts == ()
    assert found.left == (f"b-1 is {state} and brought nowhere by itself; `copy b-1` does it",)


def test_an_acknowledged_one_is_good():
    found = plan(place(0, held("b-1", state="suspect", records=[ACKNOWLEDGED])), place(1))
    assert steps(found) == [("b-1", "copy", "place-0", "place-1")]


def test_a_word_that_came_later_is_brought_after_it():
    known = held("b-1", state="suspect", records=[ACKNOWLEDGED, copied("id-1")])
    found = plan(place(0, known), place(1, held("b-1", state="suspect")))
    assert [(step.action, step.bytes) for step in found.steps] == [(SyncAction.RECORDS, 0)]
    assert "acknowledgement" in found.steps[0].reason


def test_other_content_under_one_name_is_told_and_left_alone():
    found = plan(place(0, held("b-1")), place(1, held("b-1", content=1)), place(2))
    assert steps(found) == [("b-1", "copy", "place-0", "place-2")]
    assert found.conflicts == ("b-1: place 1 holds another backup under this name than place 0; both are left alone",)


@pytest.mark.parametrize(
    ("health", "why"),
    [
        ("damaged", "there, it was found damaged on 2026-11-22 02:00:00Z"),
        ("missing", "there, its archive is missing"),
        ("short", "there, its archive has 999 of 1,000 bytes"),
    ],
)
def test_a_damaged_copy_is_repaired_from_a_whole_one(health, why):
    found = plan(place(0, held("b-1")), place(1, held("b-1", health=health)))
    assert [(step.action, step.reason) for step in found.steps] == [(SyncAction.REPAIR, why)]


@pytest.mark.parametrize("health", ["damaged", "missing", "short"])
def test_a_damaged_primary_is_passed_over_as_a_source_and_repaired_by_back_only(health):
    places = place(0, held("b-1", health=health)), place(1, held("b-1", records=[copied("id-0")])), place(2)
    found = plan(*places)
    assert steps(found) == [("b-1", "copy", "place-1", "place-2")]
    assert "place 0 is passed over" in found.steps[0].reason
    assert "this direction writes nothing there" in " ".join(found.left)
    assert steps(plan(*places, direction=BACK)) == [("b-1", "repair", "place-1", "place-0")]


def test_what_is_whole_nowhere_is_a_conflict():
    found = plan(place(0, held("b-1", health="damaged")), place(1))
    assert found.steps == ()
    assert "whole nowhere" in found.conflicts[0]


def test_a_name_stands_for_what_the_primary_has_under_it_even_when_that_is_damaged():
    found = plan(place(0, held("b-1", health="damaged")), place(1, held("b-1", content=1)), place(2))
    assert found.steps == ()
    assert [sentence.split()[0] for sentence in found.conflicts] == ["b-1:", "b-1"]
    assert "place 1 holds another backup under this name than place 0" in found.conflicts[0]
    assert "whole nowhere" in found.conflicts[1]


def test_a_manifest_that_nobody_can_read_is_not_written_over():
    found = plan(place(0, held("b-1")), place(1, obstructed=frozenset({"b-1"})))
    assert found.steps == ()
    assert found.conflicts == ("b-1: place 1 has a manifest of this name that cannot be read",)


def test_a_copy_that_no_record_tells_of_is_looked_at_once():
    found = plan(place(0, held("b-1")), place(1, held("b-1")))
    assert [(step.action, step.reason) for step in found.steps] == [
        (SyncAction.RECORDS, "it lies there, and no record says so: it is compared first")
    ]
    assert plan(place(0, held("b-1", records=[copied("id-1")])), place(1, held("b-1"))) == SyncPlan()
    assert plan(place(0, held("b-1")), place(1, held("b-1", records=[copied("id-0")]))) == SyncPlan()


def test_the_same_store_twice_and_another_deployments_are_told_and_left_alone():
    found = plan(place(0, held("b-1")), place(1, store_id="id-0"), place(2, deployment="staging"))
    assert found.steps == ()
    assert [sentence.split()[1] for sentence in found.conflicts] == ["1", "2"]


# ------------------------------------------------------------------ whatever lies where

NAMES = [f"b-{number}" for number in range(1, 5)]


@st.composite
def worlds(draw) -> list[Inventory]:
    """Up to four places, each with any of four names, of two contents, in any condition, with any records."""
    count = draw(st.integers(2, 4))
    states = {
        (name, content): draw(st.sampled_from(["good"] * 3 + ["partial", "suspect"]))
        for name in NAMES
        for content in (0, 1)
    }
    made = []
    for number in range(count):
        backups, obstructed = [], set()
        for name in NAMES:
            what = draw(st.sampled_from(["absent", "same", "same", "same", "other", "obstructed"]))
            if what == "obstructed":
                obstructed.add(name)
            if what not in {"same", "other"}:
                continue
            content = int(what == "other")
            others = [copied(f"id-{other}") for other in range(count) if other != number and draw(st.booleans())]
            words = [ACKNOWLEDGED] if draw(st.booleans()) and states[name, content] == "suspect" else []
            health = draw(st.sampled_from(["intact"] * 3 + ["damaged", "missing", "short"]))
            backups.append(
                held(name, content=content, state=states[name, content], health=health, records=[*words, *others])
            )
        made.append(place(number, *backups, obstructed=frozenset(obstructed)))
    return made


def content(one: HeldBackup) -> tuple:
    return one.backup.folder, one.backup.manifest, one.backup.archive


def find(where: Inventory, name: str) -> HeldBackup | None:
    return next((one for one in where.held if one.backup.name == name), None)


def at(places: list[Inventory], url: str) -> Inventory:
    return next(one for one in places if one.url == url)


def words(one: HeldBackup) -> tuple:
    return tuple(record for record in one.backup.records if record.kind in TRAVELLING_KINDS)


def with_records(one: HeldBackup, *records) -> HeldBackup:
    more = tuple(record for record in records if record not in one.backup.records)
    return replace(one, backup=replace(one.backup, records=(*one.backup.records, *more)))


def carried_out(places: list[Inventory], found: SyncPlan) -> list[Inventory]:
    """What the places hold after every step was done, by what the steps say of themselves."""
    held_by = {one.url: {h.backup.name: h for h in one.held} for one in places}
    ids = {one.url: one.store_id for one in places}
    for step in found.steps:
        source, there = held_by[step.source][step.backup], held_by[step.target].get(step.backup)
        kept = there.backup.records if there else ()
        if step.action is SyncAction.REPAIR:
            kept = (*kept, verification(passed=True))
        if step.action is not SyncAction.RECORDS or there is None:
            there = HeldBackup(replace(source.backup, records=kept), source.backup.bytes)
        held_by[step.target][step.backup] = with_records(there, *words(source))
        held_by[step.source][step.backup] = with_records(source, copied(ids[step.target]))
    return [replace(one, held=tuple(held_by[one.url].values())) for one in places]


def subject(conflict: str) -> str:
    """Which backup in which place a sentence about other content is about; whom it is compared with may change."""
    return conflict.split(" holds another", maxsplit=1)[0]


def written(places: list[Inventory], direction: Direction) -> list[Inventory]:
    return {OUT: places[1:], BACK: places[:1], BOTH: places}[direction]


ANY = given(worlds(), st.sampled_from(Direction))
OFTEN = settings(max_examples=100, deadline=None)


@OFTEN
@ANY
def test_nothing_is_planned_over_content_that_differs(places, direction):
    for step in plan_sync(places, direction=direction).steps:
        source, target = at(places, step.source), at(places, step.target)
        there = find(target, step.backup)
        assert step.backup not in target.obstructed
        assert (there is None) is (step.action is SyncAction.COPY) or step.action is SyncAction.RECORDS
        assert there is None or content(there) == content(find(source, step.backup))


@OFTEN
@ANY
def test_only_the_places_that_the_direction_names_are_written_to(places, direction):
    allowed = {one.url for one in written(places, direction)}
    for step in plan_sync(places, direction=direction).steps:
        assert step.target in allowed
        assert step.source != step.target


@OFTEN
@ANY
def test_archives_come_from_where_nothing_is_wrong_with_them_the_primary_first(places, direction):
    for step in plan_sync(places, direction=direction).steps:
        if step.action is SyncAction.RECORDS:
            continue
        source = find(at(places, step.source), step.backup)
        assert source.intact
        whole = [
            one.url for one in places if (h := find(one, step.backup)) and h.intact and content(h) == content(source)
        ]
        assert step.source == next(url for url in whole if url != step.target)


@OFTEN
@ANY
def test_only_good_backups_are_copied_by_themselves(places, direction):
    for step in plan_sync(places, direction=direction).steps:
        if step.action is SyncAction.COPY:
            source = find(at(places, step.source), step.backup)
            same = [h for one in places if (h := find(one, step.backup)) and content(h) == content(source)]
            assert any(h.backup.state is BackupState.GOOD for h in same)


@OFTEN
@ANY
def test_when_a_plan_is_carried_out_nothing_is_left_to_do(places, direction):
    first = plan_sync(places, direction=direction)
    after = carried_out(places, first)
    second = plan_sync(after, direction=direction)
    assert second.steps == ()
    assert {subject(one) for one in second.conflicts} <= {subject(one) for one in first.conflicts}


@OFTEN
@ANY
def test_every_backup_of_every_place_is_everywhere_or_in_a_step_or_explained(places, direction):
    found = plan_sync(places, direction=direction)
    said = " ".join([*found.conflicts, *found.left, *(step.backup for step in found.steps)])
    for where in places:
        for one in where.held:
            targets = [find(target, one.backup.name) for target in written(places, direction)]
            everywhere = all(there and there.intact and content(there) == content(one) for there in targets)
            assert everywhere or one.backup.name in said


@OFTEN
@ANY
def test_the_newest_comes_first_and_the_order_of_a_listing_does_not_matter(places, direction):
    found = plan_sync(places, direction=direction)
    assert [step.backup for step in found.steps] == sorted((step.backup for step in found.steps), reverse=True)
    turned = [replace(one, held=one.held[::-1]) for one in places]
    assert plan_sync(turned, direction=direction) == found


@OFTEN
@ANY
def test_a_plan_survives_being_written_down(places, direction):
    found = plan_sync(places, direction=direction)
    assert SyncPlan.model_validate_json(found.model_dump_json()) == found
    assert found.bytes == sum(chain([0], (step.bytes for step in found.steps)))
