"""Any history of a server, with an incremental after each step: every restore point gives exactly what there was.

Against a model that only remembers what the server held.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from backup_engine.archive.batches import make_batch
from backup_engine.archive.manifest import BackupKind, BackupState, Content
from backup_engine.catalog import Catalog
from backup_engine.chain import breaks, by_name
from backup_engine.errors import BrokenChain, DamagedArchive
from backup_engine.lease import acquire
from backup_engine.model import Metric, Quantization
from backup_engine.records import acknowledge_backup
from backup_engine.synthesis import synthesize
from tests.engine.captures import Time, capture, new_store
from tests.engine.memory_server import MemoryServer
from tests.engine.points import configurations_of, content_of, point_of, thin

NAMES = ("docs", "docs2", "do\u0308cs")
ODD_IDS = ("", " ", "a#b", "r1 ", "\u00e9", "e\u0301", "\U0001f40d", "0", "null", "x" * 300)
ODD_PAYLOADS = (None, "{}", "null", '"  text \\r\\n"', '{"big":123456789012345678901234567890}', '{"a":-0.0}', "[]")
ODD_NUMBERS = (0.0, -0.0, 1e-45, 3.4e38, float("nan"), float("inf"), 1.0)
KINDS = ((Metric.COSINE, Quantization.SQ8), (Metric.EUCLIDEAN, Quantization.SQ8), (Metric.DOT, Quantization.BINARY))

NUMBERS = st.lists(st.integers(0, 24), min_size=1, max_size=12, unique=True)
NAME = st.sampled_from(NAMES)
STEP = st.one_of(
    st.tuples(st.just("upsert"), NAME, NUMBERS, st.integers(1, 3)),
    st.tuples(st.just("delete"), NAME, NUMBERS),
    st.tuples(st.just("odd"), NAME, st.lists(st.sampled_from(ODD_IDS), min_size=1, max_size=4, unique=True)),
    st.tuples(st.just("drop"), NAME),
    st.tuples(st.just("anew"), NAME, st.sampled_from([2, 4, 5]), st.sampled_from(KINDS)),
    st.tuples(st.just("reconfigure"), NAME, st.integers(8, 12)),
    st.tuples(st.sampled_from(["nothing", "touch", "restart", "restore", "a day", "synthesize"]), NAME),
)
STEPS = st.lists(STEP, min_size=4, max_size=20)


class History:
    """A server, what happens to it, and what it held at each capture."""

    def __init__(self) -> None:
        self.clock = Time()
        self.server = MemoryServer(clock=self.clock, page_records=7, batch_records=3, provider_dimension=None)
        self.store = new_store(self.clock)
        self.states: dict[str, dict] = {}
        self.configurations: dict[str, dict] = {}
        self.server.fill("docs", 20, dimension=4)
        self.server.fill("docs2", 9, dimension=4)

    def happen(self, what: str, name: str, *details) -> None:
        happenings: dict[str, Callable] = {
            "upsert": self._upsert,
            "delete": lambda numbers: self.server.erase(name, [f"r{number}" for number in numbers]),
            "odd": self._odd,
            "drop": lambda: self.server.drop(name),
            "anew": self._anew,
            "reconfigure": self._reconfigure,
            "nothing": lambda: None,
            "touch": self._touch,
            "restart": self._restart,
            "restore": self._restore,
            "a day": lambda: self.clock.pass_by(days=1),
            "synthesize": self._synthesize,
        }
        if name not in self.server.live and what != "anew":
            self.server.fill(name, 0, dimension=4)
        if what in {"upsert", "odd", "anew", "reconfigure", "restore", "touch"}:
            happenings[what](name, *details)
        else:
            happenings[what](*details)

    def capture(self, **changes) -> str:
        """Make an incremental, and remember what the server holds."""
        self.clock.pass_by(minutes=10)
        run = f"run{len(self.states)}"
        wanted = {"incremental": True, "allow_empty": True, "shrink_limit": 1} | changes
        made = capture(self.server, self.store, self.clock, run, **wanted)
        assert made.state is not BackupState.PARTIAL
        if made.state is BackupState.SUSPECT:  # a collection is gone, which is what was meant
            acknowledge_backup(
                self.store, made.folder, made.name, why="meant", clock=self.clock, token=f"ack-{made.name}"
            )
        self.states[made.name] = {name: self.server.content(name) for name in self.server.live}
        self.configurations[made.name] = {name: one.configuration for name, one in self.server.live.items()}
        return made.name

    def check(self, names) -> None:
        known = by_name(Catalog(self.store, self.clock).backups())
        for name in names:
            assert breaks(known[name], known) == ()
            point = point_of(self.store, self.clock, name)
            assert content_of(point) == self.states[name], name
            assert configurations_of(point) == self.configurations[name], name

    def _upsert(self, name: str, numbers: list[int], seed: int) -> None:
        dimension = self.server.live[name].configuration.dimension
        for number in numbers:
            self.server.fill(name, 1, first=number, seed=seed, dimension=dimension)

    def _odd(self, name: str, ids: list[str]) -> None:
        dimension = self.server.live[name].configuration.dimension
        rows = [[ODD_NUMBERS[(at + place) % len(ODD_NUMBERS)] for place in range(dimension)] for at in range(len(ids))]
        payloads = [ODD_PAYLOADS[(len(key) + at) % len(ODD_PAYLOADS)] for at, key in enumerate(ids)]
        self.server.write(name, make_batch(ids, np.array(rows, np.float32), payloads))

    def _anew(self, name: str, dimension: int, kind: tuple[Metric, Quantization]) -> None:
        if name in self.server.live:
            self.server.drop(name)
        self.server.fill(name, 6, dimension=dimension, metric=kind[0], quantization=kind[1])

    def _reconfigure(self, name: str, connections: int) -> None:
        collection = self.server.live[name]
        hnsw = collection.configuration.hnsw.model_copy(update={"m": connections})
        collection.configuration = collection.configuration.model_copy(update={"hnsw": hnsw})
        collection.touch()

    def _synthesize(self) -> None:
        """Store the newest point whole, if it is an incremental."""
        newest = Catalog(self.store, self.clock).backups()[0]
        if newest.kind is BackupKind.INCREMENTAL:
            made = synthesize(self.store, newest.name, self.clock, f"s{len(self.states)}")
            self.states[made.name] = self.states[newest.name]
            self.configurations[made.name] = self.configurations[newest.name]

    def _touch(self, name: str) -> None:
        self.server.live[name].touch()

    def _restart(self) -> None:
        if any(collection.count for collection in self.server.live.values()):
            self.server.flush()
            self.clock.pass_by(minutes=1)
            self.server.restart()

    def _restore(self, name: str) -> None:
        """A restore that changes values where nobody sees it by counts or times."""
        lease = acquire(self.store, "restore", "restore 0123456789ab", timedelta(minutes=2), self.clock)
        collection = self.server.live[name]
        updated_at = collection.updated_at
        ids = [int(key[1:]) for key in collection.records if key[:1] == "r" and key[1:].isdigit()][:2]
        self._upsert(name, ids, 9)
        collection.updated_at = updated_at
        lease.release()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_every_restore_point_gives_exactly_what_the_server_held(steps):
    history = History()
    history.capture(incremental=False)
    for step in steps:
        history.happen(*step)
        history.capture()
    history.check(history.states)
    kinds = [one.kind for one in Catalog(history.store, history.clock).backups()]
    event(f"incrementals: {kinds.count(BackupKind.INCREMENTAL) // 5 * 5} or more")
    names = [*history.states]
    kept = thin(history.store, history.clock, names[::8])
    history.check([one.name for one in kept])


def test_a_day_of_deltas_of_a_collection_that_always_changes_is_at_most_eight_deep_and_bears_thinning():
    history = History()
    history.capture(incremental=False)
    for number in range(40):
        history.happen("upsert", "docs", [number % 25], number + 100)
        history.capture()
    names = [*history.states]
    known = by_name(Catalog(history.store, history.clock).backups())
    deltas = [known[name].manifest.clear.collections[0] for name in names[1:]]
    assert [one.content for one in deltas] == [Content.DELTA] * 40
    assert [one.number for one in deltas] == [*range(1, 41)]
    assert all(one.upserts <= 25 for one in deltas)
    point = point_of(history.store, history.clock, names[-1])
    assert [len(point.links(one.key)) for one in point.manifest.clear.collections] == [3, 1]
    kept = [one.name for one in thin(history.store, history.clock, names[::8])]
    assert sorted(kept) == sorted(names[::8])
    history.check(kept)


def test_what_is_built_on_a_synthetic_full_needs_nothing_of_the_chain_it_replaces():
    history = History()
    history.capture(incremental=False)
    for number in range(5):
        history.happen("upsert", "docs", [number, number + 1], number + 100)
        history.capture()
    history.happen("synthesize", "docs")
    whole = [*history.states][-1]
    for number in range(3):
        history.happen("delete", "docs", [number])
        history.capture()
    names = [*history.states]
    last = thin(history.store, history.clock, names[-1:])
    assert {one.name for one in last} <= {whole, *names[-3:]}
    history.check([one.name for one in last])


def test_what_must_fail_fails():
    """The check itself: a link that is gone or another one is not passed over."""
    history = History()
    full = history.capture(incremental=False)
    history.happen("upsert", "docs", [1, 2, 3], 5)
    delta = history.capture()
    known = by_name(Catalog(history.store, history.clock).backups())
    history.states[delta]["docs"]["r1"] = history.states[full]["docs"]["r1"]
    with pytest.raises(AssertionError):
        history.check([delta])
    history.store.delete([f"{known[full].folder}/{full}.json"])
    with pytest.raises(BrokenChain, match="which is not there"):
        point_of(history.store, history.clock, delta)


def test_a_chain_that_lacks_a_record_of_the_state_is_damaged():
    history = History()
    full = history.capture(incremental=False)
    history.happen("upsert", "docs", [1, 2, 3], 5)
    delta = history.capture()
    point = point_of(history.store, history.clock, delta)
    lone = type(point)(point.manifest, {key: point.links(key)[-1:] * 2 for key in ["c0001"]})
    with pytest.raises(DamagedArchive, match=r"lacks 17 records of 20"):
        [*lone.parts("c0001")]
    assert full
