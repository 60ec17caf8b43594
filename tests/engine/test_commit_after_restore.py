"""A capture that meets a restore does not commit what it read: the run begins again after it, or says when to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backup_engine.archive.manifest import BackupState
from backup_engine.errors import LeaseHeld, RestoreMeanwhile
from backup_engine.lease import acquire
from tests.engine.captures import Time, capture, keys, new_store, only_backup, stored_content
from tests.engine.memory_server import MemoryServer


@pytest.fixture
def clock():
    return Time()


@pytest.fixture
def store(clock):
    return new_store(clock)


@pytest.fixture
def server(clock):
    made = MemoryServer(clock=clock)
    made.fill("docs", 60)
    return made


def restoring(server, store, clock, *, times: int, lasting: bool = False):
    """Let a restore run while a page is read, so many times."""
    left = [times]

    def on_page(name, page):
        if not left[0]:
            return
        left[0] -= 1
        lease = acquire(store, "restore", "restore 0123456789ab", timedelta(minutes=2), clock)
        server.fill("docs", 10, first=1000 * left[0] + 1000)
        if not lasting:
            lease.release()

    server.on_page = on_page


def test_the_run_begins_again_after_a_restore_that_came_and_went(server, store, clock):
    restoring(server, store, clock, times=1)
    committed = capture(server, store, clock)
    assert committed.state is BackupState.GOOD
    backup = only_backup(store, clock)
    assert stored_content(store, backup.folder, backup.name) == {"docs": server.content("docs")}
    assert keys(store, ".staging/") == []


def test_while_the_restore_lasts_it_says_when_to_try_again(server, store, clock):
    restoring(server, store, clock, times=1, lasting=True)
    with pytest.raises(LeaseHeld, match="start again after") as caught:
        capture(server, store, clock)
    assert caught.value.retry_after == timedelta(minutes=2).total_seconds()
    assert keys(store, "names/") == []
    clock.pass_by(minutes=3)
    assert capture(server, store, clock, prefix="later").state is BackupState.GOOD
    assert only_backup(store, clock).manifest.clear.vectors == len(server.content("docs"))


def test_restores_without_end_end_the_run_and_nothing_is_committed(server, store, clock):
    restoring(server, store, clock, times=99)
    with pytest.raises(RestoreMeanwhile, match="start a new backup after the restore"):
        capture(server, store, clock)
    assert keys(store, "names/") == []
