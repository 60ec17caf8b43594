"""A first server with backups of it, and a standby that they are brought to."""

from __future__ import annotations

import numpy as np

from backup_engine.archive.manifest import archive_key, sidecar_key
from backup_engine.catalog import Catalog
from backup_engine.model import Metric, Quantization, ServerFacts
from backup_engine.standby.applying import apply_newest
from backup_engine.standby.outcome import Applied
from backup_engine.standby.party import Party
from backup_engine.standby.state import StandbyState, StateFile, read_standby
from backup_engine.storage.contract import Store
from tests.engine.captures import Time, capture, new_store
from tests.engine.memory_server import MemoryServer
from tests.engine.samples import some_records

STANDBY = "vectorizer_standby"


class NamedServer(MemoryServer):
    """A server with an address and a count of ticks of its own: two of them never give the same words."""

    def __init__(self, name: str, clock: Time) -> None:
        super().__init__(clock=clock, page_records=50)
        self._name = name
        self._ticks = sum(map(ord, name)) * 1_000_000

    def facts(self) -> ServerFacts:
        return super().facts().model_copy(update={"url": f"memory://{self._name}"})


class Scene:
    """A deployment that is captured, and its standby."""

    def __init__(self) -> None:
        self.clock = Time()
        self.first, self.second = NamedServer("first", self.clock), NamedServer("second", self.clock)
        self.store: Store = new_store(self.clock)
        self.first.fill("docs", 60)
        self.first.fill("floats", 20, metric=Metric.EUCLIDEAN, quantization=Quantization.BINARY)
        self.first.fill("empty", 0)
        self._runs = 0

    @property
    def party(self) -> Party:
        return self.party_of(self.second, STANDBY)

    def party_of(self, server: MemoryServer, standby: str, owner: str = "the test") -> Party:
        return Party(
            store=self.store, server=server, standby=standby, deployment="production", clock=self.clock, owner=owner
        )

    def capture(self, server: MemoryServer | None = None, **changes: object) -> str:
        """Make an incremental (the first one is a full); ten minutes later."""
        self.clock.pass_by(minutes=10)
        self._runs += 1
        wanted = {"incremental": True, "shrink_limit": 1} | changes
        return capture(server or self.first, self.store, self.clock, f"run {self._runs}", **wanted).name

    def apply(self, **how: bool) -> Applied:
        self.clock.pass_by(minutes=1)
        return apply_newest(self.party, **how)

    def change(self, number: int) -> None:
        """Write, overwrite, delete."""
        self.first.upsert("docs", some_records(range(100 * number, 100 * number + 4)))
        self.first.upsert("docs", some_records([1, 2], seed=number))
        self.first.erase("docs", [f"r{10 + number}"])

    @property
    def state(self) -> StandbyState:
        state = read_standby(self.store, STANDBY)
        assert state is not None
        return state

    def rewrite(self, state: StandbyState) -> None:
        StateFile(self.store, STANDBY).write(state)

    def actions(self, applied: Applied) -> dict[str, str]:
        return {one.name: one.action.value for one in applied.collections}

    def same(self) -> bool:
        """Both hold the same, but for the length that normalising twice gives a vector."""
        ours, theirs = content_of(self.first), content_of(self.second)
        return ours.keys() == theirs.keys() and all(_same(ours[name], theirs[name]) for name in ours)

    def lose(self, *names: str) -> None:
        """Backups go from the store."""
        for backup in Catalog(self.store, self.clock).backups():
            if backup.name in names:
                self.store.delete([sidecar_key(backup.folder, backup.name)])
                self.store.delete([archive_key(backup.folder, backup.name)])


def content_of(server: MemoryServer) -> dict[str, dict]:
    return {name: server.content(name) for name in sorted(server.live)}


def _same(ours: dict, theirs: dict) -> bool:
    if ours.keys() != theirs.keys():
        return False
    pairs = [(ours[key], theirs[key]) for key in ours]
    return all(one[1] == other[1] and _near(one[0], other[0]) for one, other in pairs)


def _near(one: bytes, other: bytes) -> bool:
    left, right = (_unit(np.frombuffer(side, np.float32)) for side in (one, other))
    return left.shape == right.shape and bool(np.allclose(left, right, atol=2e-6, equal_nan=True))


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector.astype(np.float64))
    return vector / (length or 1)
