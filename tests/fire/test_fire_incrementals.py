"""Under fire, by HTTP: other clients write while increments are read. Every restore point is a state there really was,
or fuzzy and honest; when the writers rest, the next one is exactly what the server holds, without a full in between.
"""

from __future__ import annotations

from threading import Event, Thread

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from backup_engine.archive.manifest import BackupKind, BackupState, Content
from backup_engine.capture.exporting import export_stream
from backup_engine.capture.planning import prepare_capture
from backup_engine.commit import Committed, commit_capture
from backup_engine.errors import ServerLoading
from backup_engine.model import system_clock
from tests.engine.captures import new_store, request
from tests.engine.points import content_of, point_of
from tests.fire.servers import client, process
from tests.fire.trips import some_word
from tests.fire.writing import (
    CHANGES,
    NAMES,
    RECORDS,
    SMALL_PAGES,
    Change,
    Ground,
    History,
    Records,
    assert_honest,
    placed,
)


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    with process(tmp_path_factory.mktemp("server")) as started:
        yield Ground(started)


class Captures:
    """Increments of the two collections into a store of its own."""

    def __init__(self, ground: Ground) -> None:
        self.store = new_store(system_clock)
        self.server = client(ground.server.url, page_bytes=SMALL_PAGES)

    def plan(self) -> str:
        wanted = request(some_word(), include=NAMES, streams=1, incremental=True, shrink_limit=1)
        return prepare_capture(wanted, self.server, self.store, system_clock, some_word()).plan_key

    def read(self, plan: str, **limits) -> str:
        return export_stream(plan, 0, self.server, self.store, system_clock, some_word(), **limits).result_key

    def make(self) -> Committed:
        plan = self.plan()
        return commit_capture(plan, [self.read(plan)], self.store, system_clock)

    def held(self, made: Committed) -> dict[str, Records]:
        return content_of(point_of(self.store, system_clock, made.name))


def seen(ground: Ground) -> dict[str, Records]:
    return {name: one.records for name, one in ground.outside.see(*NAMES).collections.items()}


def told(held: dict[str, Records]) -> dict[str, Records]:
    return {name: {key: (v, p or "null") for key, (v, p) in rows.items()} for name, rows in held.items()}


@pytest.mark.parametrize("fits", [True, False], ids=["one page will do", "too large for one page"])
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=CHANGES)
@example(changes=[Change(at, "docs", "upsert", at, at % 6) for at in range(4, 24)])
@example(changes=[Change(at, "docs", "in flight", at, 1) for at in range(4, 24, 4)])
def test_an_increment_under_fire_is_honest_and_the_one_after_it_exact(ground, fits, changes):
    ground.prepare()
    captures = Captures(ground)
    assert captures.make().kind is BackupKind.FULL
    ground.outside.write("docs", {"r0": [1.0, 2.0, 3.0, 4.0]}, {"r0": 7})  # so that there is something to read
    ground.outside.write("papers", {"r0": [1.0, 2.0, 3.0, 4.0]}, {"r0": 7})
    before = seen(ground)
    ground.server.clear()
    steps = placed(ground, changes)
    plan = captures.plan()
    try:
        result = captures.read(plan, **({} if fits else {"single_page_bytes": 1}))
    except ServerLoading:  # where all that was planned is created anew and smaller, a restart cannot be told from it
        assert {change.name for change in changes if change.what == "anew"} == {*NAMES}
        return
    applied = ground.server.applied()
    ground.server.clear()
    made = commit_capture(plan, [result], captures.store, system_clock)
    history = History(ground, before, [step for step, times in zip(steps, applied, strict=True) if times])
    assert_honest(made, point_of(captures.store, system_clock, made.name).manifest, captures.held(made), history)
    after = captures.make()
    assert told(captures.held(after)) == seen(ground)


def test_an_unchanged_server_is_listed_once_and_asked_for_no_record(ground):
    ground.prepare()
    captures = Captures(ground)
    captures.make()
    ground.server.clear()
    asked = len(ground.server.requests())
    made = captures.make()
    paths = [(one.method, one.path) for one in ground.server.requests()[asked:]]
    assert (made.kind, made.vectors) == (BackupKind.INCREMENTAL, 2 * RECORDS)
    assert paths.count(("POST", "/graphql")) == 1
    assert {method for method, path in paths if path != "/graphql"} == {"GET"}
    assert not [path for _, path in paths if "points" in path or "vectors" in path]
    assert len(paths) <= 7, "more than once what a server of any size is asked"


def test_many_increments_beside_a_writer_that_never_rests_and_then_the_exact_one(ground):
    ground.prepare()
    captures, ended = Captures(ground), Event()
    captures.make()
    writer = Thread(target=_write, args=(ground, ended))
    writer.start()
    try:
        made = [captures.make() for _ in range(10)]
    finally:
        ended.set()
        writer.join(30)
    assert {one.kind for one in made} == {BackupKind.INCREMENTAL}
    good = [one for one in made if one.state is BackupState.GOOD]
    assert len(good) > len(made) / 2
    for one in made:  # while a busy machine lets the reader wait, the writer does not: five reads may not do then
        assert one in good or "'docs' is incomplete: the server counts" in one.reasons[0]
    for one in good:
        held = captures.held(one)
        assert {f"r{number}" for number in range(30, 60)} <= held["docs"].keys(), "there all the time, and missed"
    last = captures.make()
    assert told(captures.held(last)) == seen(ground)
    contents = {one.content for one in point_of(captures.store, system_clock, last.name).manifest.clear.collections}
    assert Content.WHOLE not in contents


def _write(ground: Ground, ended: Event) -> None:
    """Upsert, insert and delete without a pause; r30 to r59 are never touched."""
    number = 0
    while not ended.is_set():
        number += 1
        vector = [float(number % 7), 1.0, -1.0, 0.5]
        ground.outside.write("docs", {f"r{number % 30}": vector, f"n{number}": vector}, {f"n{number}": number})
        if number > 5:
            ground.outside.erase("docs", [f"n{number - 5}"])
