"""Under fire: other clients write while a capture reads. Whole is a state there really was; what moved is fuzzy, every
record of it one that there really was; nothing that stood still is missing.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from backup_engine.archive.manifest import Standing
from backup_engine.capture.exporting import export_stream
from backup_engine.capture.planning import prepare_capture
from backup_engine.catalog import Catalog
from backup_engine.commit import commit_capture
from backup_engine.errors import ServerLoading
from backup_engine.model import system_clock
from tests.engine.captures import new_store, request, stored_content
from tests.fire.servers import client, process
from tests.fire.trips import some_word
from tests.fire.writing import CHANGES, NAMES, NUMBERED, SMALL_PAGES, Change, Ground, History, assert_honest, placed


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    with process(tmp_path_factory.mktemp("server")) as started:
        yield Ground(started)


@pytest.mark.parametrize("fits", [True, False], ids=["one page will do", "too large for one page"])
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=CHANGES)
@example(changes=[])
@example(changes=NUMBERED[0])
@example(changes=[Change(at, "docs", "in flight", at, 1) for at in range(8, 24, 4)])
def test_what_is_called_whole_was_so_at_one_moment_and_what_moved_is_fuzzy(ground, fits, changes):
    before = ground.prepare()
    store, server = new_store(system_clock), client(ground.server.url, page_bytes=SMALL_PAGES)
    ground.server.clear()
    steps = placed(ground, changes)
    wanted = request(some_word(), collections=NAMES, streams=1)
    key = prepare_capture(wanted, server, store, system_clock, "plan").plan_key
    fitting = {} if fits else {"single_page_bytes": 1}
    try:
        result = export_stream(key, 0, server, store, system_clock, "one", **fitting).result_key
    except ServerLoading:  # where all that was planned is created anew and smaller, a restart cannot be told from it
        assert {change.name for change in changes if change.what == "anew"} == {*NAMES}
        return
    applied = ground.server.applied()
    ground.server.clear()
    committed = commit_capture(key, [result], store, system_clock)
    history = History(ground, before, [step for step, times in zip(steps, applied, strict=True) if times])
    (backup,) = Catalog(store, system_clock).backups()
    assert_honest(committed, backup.manifest, stored_content(store, committed.folder, committed.name), history)


def test_a_capture_without_writers_is_whole(ground):
    before = ground.prepare()
    store, server = new_store(system_clock), client(ground.server.url, page_bytes=SMALL_PAGES)
    key = prepare_capture(request(collections=NAMES), server, store, system_clock, "plan").plan_key
    results = [export_stream(key, n, server, store, system_clock, f"s{n}").result_key for n in range(2)]
    committed = commit_capture(key, results, store, system_clock)
    held = stored_content(store, committed.folder, committed.name)
    assert {n: {k: (v, p or "null") for k, (v, p) in rows.items()} for n, rows in held.items()} == before
    assert {s.standing for s in Catalog(store, system_clock).backups()[0].manifest.clear.collections} == {
        Standing.WHOLE
    }


def test_the_check_itself_finds_what_is_called_whole_and_never_was(ground):
    """A mixture of two states is none of them."""
    before = ground.prepare()
    changes = [Change(1, "docs", "upsert", 0, 1), Change(1, "docs", "upsert", 30, 2)]
    history = History(ground, before, [(rule, change) for change in changes for rule in ground.rules(change)])
    mixed = dict(before["docs"])
    mixed |= {key: record for key, record in history.states["docs"][-1].items() if key in changes[1].ids}
    assert before["docs"] in history.states["docs"]
    assert history.states["docs"][-1] in history.states["docs"]
    assert mixed not in history.states["docs"]
    assert changes[0].ids[0] not in history.untouched("docs")
