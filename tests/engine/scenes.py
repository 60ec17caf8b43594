"""A damaged server and a prepared restore of it, for tests that stop it everywhere."""

from __future__ import annotations

from backup_engine.model import Metric
from backup_engine.restore.execution import execute_restore
from backup_engine.restore.guard import DURATION
from backup_engine.restore.lifecycle import resume_restore
from backup_engine.restore.planning import prepare_restore
from backup_engine.restore.report import RestoreReport, Undone
from backup_engine.restore.request import RestoreMode
from backup_engine.restore.undoing import undo_restore
from backup_engine.storage.contract import Store
from tests.archive.builder import Built
from tests.engine.captures import Time, new_store
from tests.engine.restores import ID, ReadServer, backup_of, put, reader_of, request


class Scene:
    """A server that was damaged since its backup, the store that holds the backup, and a prepared restore of it.

    :param lost: the damage is that the collections are gone, from memory only
    :param in_place: the restore writes over the live collections
    """

    def __init__(
        self, mode: RestoreMode, *, version: str = "3.5.0", lost: bool = False, in_place: bool = False
    ) -> None:
        self.in_place = in_place
        self.clock = Time()
        self.server = ReadServer(clock=self.clock, version=version)
        self.server.fill("docs", 12)
        self.server.fill("notes", 9, metric=Metric.EUCLIDEAN)
        self.server.fill("other", 5)
        self.server.create_alias("prod", "notes")
        self.built: Built = backup_of(self.server, "docs", "notes", aliases={"prod": "notes"})
        self.restored = {name: self.server.content(name) for name in ("docs", "notes")}
        self.ids = {name: list(content) for name, content in self.restored.items()}
        for name in ("docs", "notes"):
            self.server.erase(name, ["r0", "r3"])
            self.server.fill(name, 2, first=50)
        self.server.flush()
        if lost:
            self.server.delete_collection("docs")
            self.server.delete_collection("notes")
        self.damaged = {name: self.server.content(name) for name in ("docs", "notes") if name in self.server.live}
        self.store = new_store(self.clock)
        put(self.store, self.built)
        self.plan = prepare_restore(
            request(mode, in_place=in_place), self.built.sidecar.manifest, self.server, self.store
        )
        self.server.calls.clear()
        self.server.watched = () if lost else ("docs", "notes", "prod", "other")

    def run(self, store: Store | None = None) -> RestoreReport:
        where = store or self.store
        return execute_restore(
            self.plan, reader_of(self.store, self.built), self.server, where, self.clock, owner="a test"
        )

    def resume(self) -> RestoreReport:
        """Another process, after the dead one's lease."""
        self.clock.pass_by(seconds=DURATION.total_seconds() + 1)
        return resume_restore(ID, self.store, self.server, self.clock, owner="another test")

    def check_readers(self, mode: RestoreMode) -> None:
        """Old, then perhaps a moment of nothing, then new; a merge, and a restore in place, show what lies between."""
        if self.in_place:
            for name, ids in self.ids.items():
                assert set(self.server.content(name)) == set(ids), name
            return
        assert {
            name: list(self.server.content(name)) for name in self.restored
        } == self.ids or mode is RestoreMode.MERGE
        expected = {name: [self.damaged[name], self.server.content(name)] for name in self.damaged}
        for name in self.server.watched if mode is RestoreMode.REPLACE else ():
            seen = [content for content in self.server.seen[name] if content is not None]
            assert seen == expected.get("notes" if name == "prod" else name, seen[:1]), name

    def undo(self, store: Store | None = None) -> Undone:
        """Take it back, in another process."""
        self.clock.pass_by(seconds=DURATION.total_seconds() + 1)
        return undo_restore(ID, store or self.store, self.server, self.clock, owner="a third test")
