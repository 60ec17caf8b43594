"""What tests of restores share: backups of memory servers, requests, a server under readers, kills at every call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from backup_engine.archive.manifest import Manifest, Sidecar, archive_key, sidecar_key
from backup_engine.archive.reading import ArchiveReader, StoredObject
from backup_engine.archive.tail import document_bytes
from backup_engine.restore.execution import execute_restore
from backup_engine.restore.journal import keep_plan
from backup_engine.restore.plan import RestorePlan, raise_refusals
from backup_engine.restore.planning import preview_restore
from backup_engine.restore.report import RestoreReport
from backup_engine.restore.request import RestoreMode, RestoreRequest
from backup_engine.storage.contract import Store
from tests.archive.builder import Built, Given, build
from tests.engine.captures import Time
from tests.engine.memory_collection import MemoryCollection
from tests.engine.memory_server import MemoryServer
from tests.engine.server_fault import Fault
from tests.storage.faulty import Killed

ID = "0123456789ab"
NAME = "backup-20261122"


def backup_of(server: MemoryServer, *names: str, aliases: dict[str, str] | None = None, **clear) -> Built:
    """Back up these collections of a server (all when none is named) without the capture's help."""
    states = [state for state in server.collections() if not names or state.name in names]
    given = []
    for state in states:
        kept = server.configuration(state.name)
        batches = list(server.read(state).batches)
        given.append(Given(state.name, batches, kept.dimension, kept.metric, kept.quantization))
    built = build(*given, **clear)
    server.calls.clear()
    return built if aliases is None else with_private(built, aliases=aliases)


def with_private(built: Built, **changes) -> Built:
    """Change the private part of the sidecar's manifest; restores go by it, only verification looks inside."""
    manifest = built.sidecar.manifest
    private = manifest.private.model_copy(update=changes)
    return with_manifest(built, manifest.model_copy(update={"private": private}))


def with_summary(built: Built, **changes) -> Built:
    """Change the first collection's summary in the sidecar's manifest."""
    manifest = built.sidecar.manifest
    first, *rest = manifest.clear.collections
    collections = (first.model_copy(update=changes), *rest)
    clear = manifest.clear.model_copy(update={"collections": collections})
    return with_manifest(built, manifest.model_copy(update={"clear": clear}))


def with_manifest(built: Built, manifest: Manifest) -> Built:
    return Built(built.data, built.sidecar.model_copy(update={"manifest": manifest}))


def put(store: Store, built: Built, *, sidecar: Sidecar | None = None) -> None:
    """Lay a backup down in a store, as a commit does."""
    clear = built.sidecar.manifest.clear
    store.create(archive_key(clear.folder, clear.name), [built.data])
    store.create(sidecar_key(clear.folder, clear.name), [document_bytes(sidecar or built.sidecar)])


def reader_of(store: Store, built: Built) -> ArchiveReader:
    clear = built.sidecar.manifest.clear
    return ArchiveReader(StoredObject(store, archive_key(clear.folder, clear.name)), built.sidecar)


def request(mode: RestoreMode = RestoreMode.NEW, **changes) -> RestoreRequest:
    return RestoreRequest(**({"restore_id": ID, "backup": NAME, "mode": mode} | changes))


def restore(
    built: Built,
    server: MemoryServer,
    mode: RestoreMode = RestoreMode.NEW,
    store: Store | None = None,
    clock=None,
    **changes,
) -> RestoreReport:
    """Plan and carry out, as the command line does."""
    plan = preview_restore(request(mode, **changes), built.sidecar.manifest, server)
    raise_refusals(plan)
    if store is not None:
        keep_plan(plan, store)
    return execute_restore(plan, built.reader(), server, store, clock or Time(), owner="a test")


def planned(built: Built, server: MemoryServer, mode: RestoreMode = RestoreMode.NEW, **changes) -> RestorePlan:
    return preview_restore(request(mode, **changes), built.sidecar.manifest, server)


class ReadServer(MemoryServer):
    """A server whose readers never rest: after every call they ask for the watched names.

    As on the real one, asking for a name that only the disk knows starts a load that ends later, and puts what the
    disk had in the place of whatever has the name by then.
    """

    def __init__(self, **more):
        super().__init__(**more)
        self.watched: tuple[str, ...] = ()
        self.seen: dict[str, list[object]] = {}
        self._loads: dict[str, MemoryCollection] = {}

    def _call(self, method: str, subject: str, effect: Callable):
        try:
            return super()._call(method, subject, effect)
        finally:
            self.live.update(self._loads)
            self._loads.clear()
            for name in self.watched:
                self._somebody_asks(name)

    def asked_meanwhile(self, name: str) -> bool:
        return name in self.watched

    def _somebody_asks(self, name: str) -> None:
        real = self._aliases.get(name, name)
        answer = self.content(real) if real in self.live else None
        if answer is None and real in self.saved:
            self._loads[real] = MemoryCollection.ghost(self.saved[real], self._now)
        history = self.seen.setdefault(name, [])
        if not history or history[-1] != answer:
            history.append(answer)


def server_kills(calls: int) -> Iterator[Fault]:
    """Give every instant at which a process that makes so many calls to a server can die."""
    for call in range(1, calls + 1):
        for instant in ("before", "after"):
            yield Fault(call, instant, error=Killed, lasting=True)


def revive(server: MemoryServer) -> None:
    """Another process talks to the server."""
    server.fault = None
    server.calls.clear()


def killed(work: Callable[[], object]) -> None:
    """Run until the kill."""
    with suppress(Killed):
        work()
        raise AssertionError("it was to be killed, and ended by itself")


def everything(server: MemoryServer) -> dict[str, object]:
    """All that a server holds, in memory and on its disk, and what its aliases stand for."""
    return {
        "live": {name: (server.content(name), server.live[name].configuration) for name in sorted(server.live)},
        "saved": {name: sorted(saved.records) for name, saved in sorted(server.saved.items())},
        "aliases": dict(server.aliases()),
    }
