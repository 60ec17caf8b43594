"""The whole way over HTTP: against the sandbox, or against the real server when VECTORIZER_BINARY names one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backup_engine.errors import Unsupported
from backup_engine.model import Metric, system_clock
from backup_engine.restore.execution import execute_restore
from backup_engine.restore.lifecycle import release_restore
from backup_engine.restore.names import before_name
from backup_engine.restore.plan import raise_refusals
from backup_engine.restore.planning import preview_restore
from backup_engine.restore.report import RestoreReport
from backup_engine.restore.request import RestoreMode
from backup_engine.vectorizer.server import VectorizerServer, connect
from sandbox.process import SandboxProcess
from tests.archive.builder import Built
from tests.contract.servers import RealProcess
from tests.engine.over_http import KINDS, backup_of, content, fill, readers
from tests.engine.restores import ID, request


@pytest.fixture
def process(tmp_path):
    binary = os.environ.get("VECTORIZER_BINARY", "")
    with RealProcess(Path(binary), tmp_path) if binary else SandboxProcess(tmp_path) as started:
        yield started


@pytest.fixture
def server(process):
    return connect(process.url)


def restore(built: Built, server: VectorizerServer, mode: RestoreMode, **changes) -> RestoreReport:
    plan = preview_restore(request(mode, **changes), built.sidecar.manifest, server)
    raise_refusals(plan)
    return execute_restore(plan, built.reader(), server, None, system_clock, owner="a test")


def test_every_kind_of_collection_comes_back_after_all_are_lost(server):
    for name in KINDS:
        fill(server, name)
    server.flush()
    built, before = backup_of(server), {name: content(server, name) for name in KINDS}
    configurations = {name: server.configuration(name) for name in KINDS}
    for name in KINDS:
        server.delete_collection(name)
    report = restore(built, server, RestoreMode.NEW)
    assert report.vectors == report.compared == sum(records for *_, records in KINDS.values())
    assert report.flushed
    assert server.aliases() == {}
    for name, (_, metric, _, _) in KINDS.items():
        kept = {"reported": {}}
        assert server.configuration(name).model_copy(update=kept) == configurations[name].model_copy(update=kept)
        assert content(server, name).keys() == before[name].keys()
        if metric is not Metric.COSINE:
            assert content(server, name) == before[name]


def test_readers_see_the_old_content_or_the_new_while_it_is_replaced(server, process):
    fill(server, "euclidean")
    fill(server, "dot")
    built, then = backup_of(server), content(server, "euclidean")
    restores = [f"{number:012x}" for number in range(3)]
    lost = [f"r{number}" for number in range(30)]
    server.delete_records("euclidean", lost)
    server.flush()
    with readers(process.url, "euclidean") as seen:
        for restore_id in restores:
            server.delete_records("euclidean", lost)
            restore(built, server, RestoreMode.REPLACE, collections=("euclidean",), restore_id=restore_id)
            assert content(server, "euclidean") == then
    assert max(seen) == 200
    assert {count for count in seen if count < 170} == set()
    for restore_id in restores:
        released = release_restore(restore_id, server, None, system_clock, "a test")
        assert [item.name for item in released.dropped] == [before_name("euclidean", restore_id)]
    assert [state.name for state in server.collections()] == ["dot", "euclidean"]


def test_a_name_with_a_slash_is_created_merged_into_and_never_replaced(server):
    fill(server, "a/b")
    fill(server, "dot")
    built, then = backup_of(server), content(server, "a/b")
    server.delete_records("a/b", ["r0", "r1"])
    with pytest.raises(Unsupported, match="slash"):
        restore(built, server, RestoreMode.REPLACE, collections=("a/b",))
    restore(built, server, RestoreMode.MERGE, collections=("a/b",))
    assert content(server, "a/b").keys() == then.keys()
    server.delete_collection("a/b")
    server.flush()
    restore(built, server, RestoreMode.NEW, collections=("a/b",))
    assert content(server, "a/b").keys() == then.keys()


def test_aliases_stand_for_the_restored_collection_afterwards(server):
    fill(server, "dot")
    server.create_alias("production", "dot")
    built = backup_of(server)
    server.delete_records("dot", ["r0"])
    restore(built, server, RestoreMode.REPLACE)
    assert dict(server.aliases()) == {"production": "dot"}
    assert before_name("dot", ID) in {state.name for state in server.collections()}
