"""A store with a full and incrementals after it, and the server whose states they hold."""

from __future__ import annotations

from backup_engine.archive.batches import vectors_of
from backup_engine.archive.manifest import Folder
from backup_engine.catalog import Catalog
from backup_engine.chain import by_name
from backup_engine.model import Metric, Quantization
from backup_engine.restore_point import open_restore_point
from backup_engine.storage.contract import Store
from tests.engine.captures import Time, capture, new_store
from tests.engine.memory_server import MemoryServer
from tests.engine.samples import some_records

Content = dict[str, dict[str, tuple[bytes, str | None]]]


class Scene:
    """Captures of a server that changes in between.

    :param states: what each backup has to restore, by its name
    """

    def __init__(self) -> None:
        self.clock = Time()
        self.server = MemoryServer(clock=self.clock, page_records=50)
        self.server.fill("docs", 60)
        self.server.fill("floats", 20, metric=Metric.EUCLIDEAN, quantization=Quantization.BINARY)
        self.server.fill("empty", 0)
        self.store = new_store(self.clock)
        self.states: dict[str, Content] = {}
        self.names: list[str] = []
        self._runs = 0

    def capture(self, *, incremental: bool = True, **passing: float) -> str:
        """Capture what the server holds now."""
        self.clock.pass_by(**(passing or {"minutes": 10}))
        self._runs += 1
        made = capture(self.server, self.store, self.clock, run=f"run {self._runs}", incremental=incremental)
        self.states[made.name] = self.content()
        self.names.append(made.name)
        return made.name

    def change(self, number: int) -> None:
        """Write, overwrite, delete."""
        self.server.upsert("docs", some_records(range(100 * number, 100 * number + 4)))
        self.server.upsert("docs", some_records([1, 2], seed=number))
        self.server.erase("docs", [f"r{10 + number}"])

    def content(self) -> Content:
        return {name: self.server.content(name) for name in self.server.live}

    @classmethod
    def of_five(cls) -> Scene:
        """A full, then four incrementals; one collection is made anew with another dimension, and a record returns."""
        scene = cls()
        scene.capture(incremental=False, hours=1)
        for number in range(1, 5):
            scene.change(number)
            if number == 2:
                scene.server.delete_collection("floats")
                scene.server.flush()
                scene.server.fill("floats", 20, dimension=6)
            if number == 3:
                scene.server.upsert("docs", some_records([11], seed=3))
            scene.capture()
        return scene


def restored(store: Store, name: str, clock: Time) -> Content:
    """What a backup and its chain give."""
    backups = by_name(Catalog(store, clock).backups())
    point = open_restore_point(store, backups[name], backups)
    content: Content = {}
    for summary, private in point.manifest.each():
        content[private.name] = {}
        for part in point.parts(summary.key):
            ids, payloads = part.batch["id"].to_pylist(), part.batch["payload"].to_pylist()
            for key, vector, payload in zip(ids, vectors_of(part.batch), payloads, strict=True):
                assert key not in content[private.name], "a record came twice"
                content[private.name][key] = (vector.astype("<f4").tobytes(), payload)
    return content


def incrementals(store: Store) -> list[str]:
    return [info.key for info in store.list(f"{Folder.INCREMENTAL.value}/") if info.key.endswith(".json")]
