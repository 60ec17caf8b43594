"""Several workers at once: other runs get other names, the same run gets one backup."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from backup_engine.archive.manifest import Folder
from backup_engine.capture.exporting import export_stream
from backup_engine.capture.planning import prepare_capture
from backup_engine.catalog import Catalog
from backup_engine.commit import commit_capture
from backup_engine.errors import CaptureRefused
from backup_engine.storage.identity import init_store
from backup_engine.storage.local import LocalStore
from tests.engine.captures import STORE_ID, Time, capture, keys, new_store, request, stored_content
from tests.engine.meanwhile import Meanwhile
from tests.engine.memory_server import MemoryServer

CLOCK = Time()


@pytest.fixture(scope="module")
def server() -> MemoryServer:
    made = MemoryServer(clock=CLOCK)
    made.fill("docs", 60, dimension=4)
    made.fill("papers", 20, dimension=4)
    return made


def exported(server, store, run, attempt):
    prepared = prepare_capture(request(run, streams=1), server, store, CLOCK, attempt)
    return prepared.plan_key, [export_stream(prepared.plan_key, 0, server, store, CLOCK, attempt).result_key]


def calls_of(action) -> int:
    """How many store calls the action makes when nothing happens meanwhile."""
    store = Meanwhile(new_store(CLOCK))
    action(store)
    return store.calls


def assert_all_whole(server, store, runs: int) -> list[str]:
    catalog = Catalog(store, CLOCK)
    assert catalog.unreadable == ()
    names = [backup.name for backup in catalog.backups()]
    assert len(set(names)) == len(names) == len({b.manifest.clear.run_key for b in catalog.backups()}) == runs
    for backup in catalog.backups():
        assert stored_content(store, backup.folder, backup.name) == {n: server.content(n) for n in server.live}
    assert len([b for b in catalog.backups() if b.folder is Folder.MONTHLY]) == 1
    return names


def test_another_run_that_captures_at_any_instant_of_this_one_gets_another_name(server):
    def run(store):
        capture(server, store, CLOCK, "slow")

    for call in range(1, calls_of(run) + 1):
        inner = new_store(CLOCK)
        run(Meanwhile(inner, call, lambda inner=inner: capture(server, inner, CLOCK, "quick")))
        assert_all_whole(server, inner, 2)
        assert keys(inner, ".staging/") == []


def test_another_worker_of_the_same_run_that_commits_at_any_instant_of_this_one_makes_no_second_backup(server):
    def zombie(store):
        prepared = exported(server, store, "run", "zombie")
        return commit_capture(*prepared, store, CLOCK)

    for call in range(1, calls_of(zombie) + 1):
        inner = new_store(CLOCK)
        plan = exported(server, inner, "run", "other")

        def other(plan=plan, inner=inner):
            return commit_capture(*plan, inner, CLOCK)

        try:
            committed = zombie(Meanwhile(inner, call, other))
        except CaptureRefused:  # overtaken while it still read: its plan was swept
            committed = other()
        assert assert_all_whole(server, inner, 1) == [committed.name]
        other()
        assert keys(inner, ".staging/") == []


def test_another_run_and_another_worker_of_the_same_run_together_still_make_one_backup_each(server):
    def commit_it(store, plan):
        return commit_capture(*plan, store, CLOCK)

    def alone(store):
        commit_it(store, exported(server, store.inner, "run", "first"))

    for call in range(1, calls_of(alone) + 1):
        inner = new_store(CLOCK)
        first, second = (exported(server, inner, "run", attempt) for attempt in ("first", "second"))

        def both(inner=inner, second=second):
            capture(server, inner, CLOCK, "rival")
            commit_it(inner, second)

        commit_it(Meanwhile(inner, call, both), first)
        assert_all_whole(server, inner, 2)


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_many_captures_at_once_each_make_one_backup(server, kind, tmp_path):
    store = new_store(CLOCK)
    if kind == "local":
        store = LocalStore(tmp_path / "root", CLOCK)
        init_store(store, "production", CLOCK, lambda: STORE_ID)
    together = Barrier(8, timeout=30)

    def run(number: int) -> str:
        together.wait()
        try:
            return capture(server, store, CLOCK, f"run {number // 2}", prefix=f"worker{number}").name
        except CaptureRefused:  # overtaken while it still read
            return capture(server, store, CLOCK, f"run {number // 2}", prefix=f"again{number}").name

    with ThreadPoolExecutor(8) as workers:
        names = [*workers.map(run, range(8))]
    assert names[0::2] == names[1::2], "two workers of one run, two names"
    assert sorted(set(names)) == sorted(assert_all_whole(server, store, 4))
