"""How the steps of a sync are shared out, and what counts as still missing."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from backup_engine.archive.manifest import Folder
from backup_engine.copies.planning import SyncAction, SyncStep
from tests.tables import squeezed
from vectorizer_backup.syncing import MOST_GROUPS, share_out, sync_table, what_is_missing

TARGETS = ["s3://aws@bucket/one", "file:///copies/two", "gs://three"]


def _step(number: int, target: str, size: int = 10) -> SyncStep:
    return SyncStep(
        action=SyncAction.COPY,
        folder=Folder.DAILY,
        backup=f"backup-{number:08d}",
        source="file:///primary",
        target=target,
        bytes=size,
        reason="it is missing there",
    )


STEPS = st.lists(st.tuples(st.sampled_from(TARGETS), st.integers(0, 1 << 40)), max_size=80).map(
    lambda found: [_step(number, target, size) for number, (target, size) in enumerate(found)]
)


@given(steps=STEPS, streams=st.integers(1, 64))
def test_every_step_is_done_once_by_at_most_so_many_workers_a_store_in_the_plans_order(steps, streams) -> None:
    tickets = share_out("main", steps, streams)
    done = [(ticket.target, entry.backup, entry.bytes) for ticket in tickets for entry in ticket.entries]
    assert Counter(done) == Counter((step.target, step.backup, step.bytes) for step in steps)
    assert all(ticket.entries for ticket in tickets)
    groups = Counter(ticket.target for ticket in tickets)
    assert len(tickets) <= MOST_GROUPS
    assert all(groups[target] <= streams for target in groups)
    for ticket in tickets:
        assert [entry.backup for entry in ticket.entries] == sorted(entry.backup for entry in ticket.entries)


@given(sizes=st.lists(st.integers(1, 1000), min_size=2, max_size=60), streams=st.integers(2, 8))
def test_no_worker_of_a_store_has_more_than_its_share_and_one_backup(sizes, streams) -> None:
    tickets = share_out("main", [_step(number, TARGETS[0], size) for number, size in enumerate(sizes)], streams)
    loads = [sum(entry.bytes for entry in ticket.entries) for ticket in tickets]
    assert max(loads) <= sum(sizes) / len(tickets) + max(sizes) + len(sizes)


def test_more_stores_than_airflow_can_map_are_still_within_its_limit() -> None:
    steps = [_step(number, f"file:///copies/{number % 100}") for number in range(6400)]
    assert len(share_out("main", steps, 64)) <= MOST_GROUPS


def test_what_was_planned_and_is_still_to_do_is_missing_and_what_came_since_is_not() -> None:
    planned = [ticket.model_dump(mode="json") for ticket in share_out("main", [_step(1, TARGETS[0])], 4)]
    missing, more = what_is_missing([_step(1, TARGETS[0]), _step(2, TARGETS[0]), _step(1, TARGETS[1])], planned)
    assert missing == ["backup-00000001 in s3://bucket/one (it is missing there)"]
    assert more == 2
    assert what_is_missing([], planned) == ([], 0)


def test_the_table_of_steps_is_cut_where_nobody_reads_on() -> None:
    table = sync_table([_step(number, TARGETS[0]) for number in range(250)])
    assert (
        "| daily/backup-00000000 | copy | file:///primary | s3://bucket/one | 10 B | it is missing there |"
        in squeezed(table)
    )
    assert "aws@" not in table
    assert table.endswith("and 50 more")
