"""SIGKILL of the restoring process between what the server did and its answer: another process goes on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backup_engine.model import system_clock
from backup_engine.restore.lifecycle import Progression, list_restores, resume_restore
from backup_engine.restore.undoing import undo_restore
from backup_engine.storage.identity import init_store
from backup_engine.storage.opening import open_store
from backup_engine.vectorizer.server import VectorizerServer, connect
from sandbox.process import SandboxProcess
from sandbox.rules import Rule
from services.waiting import poll
from tests.engine.captures import STORE_ID
from tests.engine.over_http import backup_of, content, fill
from tests.engine.restores import put
from tests.engine.samples import some_records

COMMAND = (sys.executable, "-c", "from backup_engine.cli.main import main; main()")
SILENCE = 40.0
"""Seconds in which the process is found waiting and killed."""
NAMES = ("dot", "euclidean")
ASIDE = ("--mode", "replace", "--yes")
IN_PLACE = (*ASIDE, "--in-place")
UPSERT = Rule(what="slow", path="^/graphql$", body="upsertVectors", nth=1, when="after", seconds=SILENCE)


def answered_late(path: str, nth: int = 1) -> Rule:
    return Rule(what="slow", path=path, nth=nth, when="after", seconds=SILENCE)


KILLS = {
    "aside, half loaded": (ASIDE, UPSERT),
    "aside, first one away": (ASIDE, answered_late("/rename$", 1)),
    "aside, flushed in the gap": (ASIDE, answered_late("/force-save$", 1)),
    "aside, alias dropped": (ASIDE, answered_late("^/qdrant/collections/aliases$", 1)),
    "aside, all in": (ASIDE, answered_late("/rename$", 4)),
    "aside, flushed": (ASIDE, answered_late("/force-save$", 2)),
    "in place, snapshot not noted": (IN_PLACE, answered_late("/snapshot$", 1)),
    "in place, half written": (IN_PLACE, UPSERT),
    "in place, deleted": (IN_PLACE, answered_late("/batch_delete$", 1)),
    "in place, flushed": (IN_PLACE, answered_late("/force-save$", 1)),
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    with SandboxProcess(tmp_path_factory.mktemp("killed"), faults=True) as started:
        yield started


class Place:
    """Two collections, a store with their backup, and the damage done since."""

    def __init__(self, sandbox: SandboxProcess, folder: Path) -> None:
        self.sandbox, self.root = sandbox, folder / "store"
        self.server: VectorizerServer = connect(sandbox.url)
        sandbox.clear()
        for state in self.server.collections():
            self.server.delete_collection(state.name)
        for name in NAMES:
            fill(self.server, name)
        self.server.flush()
        self.then = {name: content(self.server, name) for name in NAMES}
        self.store = open_store(f"file://{self.root}")
        init_store(self.store, "production", system_clock, lambda: STORE_ID)
        put(self.store, backup_of(self.server))
        for name in NAMES:
            dimension = self.server.configuration(name).dimension
            self.server.delete_records(name, ["r0", "r9"])
            self.server.upsert(name, some_records(range(700, 703), dimension))
        self.server.flush()
        self.damaged = {name: set(content(self.server, name)) for name in NAMES}

    def kill_while(self, waiting: Callable[[], bool], *arguments: str) -> None:
        """Restore on the command line, and end that with SIGKILL while the server owes it an answer."""
        asked = ("restore", "latest", "--store", f"file://{self.root}", "--server", self.sandbox.url, *arguments)
        with subprocess.Popen([*COMMAND, *asked], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            try:
                poll(lambda: waiting() or process.poll() is not None, "the restore to be in the middle", 120, 0.02)
                assert process.poll() is None, process.stderr.read() if process.stderr else ""
            finally:
                process.kill()
        self.sandbox.clear()
        (self.root / "leases" / "restore.json").unlink()  # it ran out meanwhile


@pytest.mark.parametrize("name", KILLS)
def test_a_killed_restore_is_resumed_and_undone(sandbox, tmp_path, name):
    how, rule = KILLS[name]
    place = Place(sandbox, tmp_path)
    sandbox.clear()
    sandbox.place(rule)
    place.kill_while(lambda: sandbox.applied() == [1], *how)
    [known] = list_restores(place.store)
    assert known.progression is Progression.STARTED
    resume_restore(known.restore_id, place.store, place.server, system_clock, owner="a test")
    assert {one: content(place.server, one) for one in NAMES} == place.then
    undo_restore(known.restore_id, place.store, place.server, system_clock, owner="a test")
    assert {one: set(content(place.server, one)) for one in NAMES} == place.damaged
