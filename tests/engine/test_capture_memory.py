"""Memory stays flat whatever the size of a collection."""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path

import numpy as np

from backup_engine.archive.batches import make_batch
from backup_engine.archive.manifest import BackupKind
from backup_engine.capture.exporting import export_stream
from backup_engine.capture.planning import prepare_capture
from backup_engine.commit import Committed, commit_capture
from backup_engine.model import CollectionState, Reading, ServerFacts
from backup_engine.storage.identity import init_store
from backup_engine.storage.local import LocalStore
from tests.engine.captures import STORE_ID, Time, request
from tests.engine.samples import configuration

DIMENSION = 128
BATCH = 5000
MEBIBYTE = 1 << 20


class Endless:
    """A server whose collection is made up as it is read, and moves: each read misses another batch."""

    def __init__(self, batches: int):
        self.batches = batches
        self.asked = 0
        self.readings = 0
        self.changed = 0

    def facts(self):
        return ServerFacts(url="endless://", version="3.5.0")

    def aliases(self):
        return {}

    def configuration(self, name):
        return configuration(DIMENSION)

    def collections(self):
        self.asked += 1
        count, moment = self.batches * BATCH, str(self.asked)
        return (CollectionState(name="docs", vectors=count, dimension=DIMENSION, created_at="c", updated_at=moment),)

    def read(self, state, *, single_page=False):
        self.readings += 1
        return Reading(self.batches, self._read(self.readings))

    def retrieve(self, name, ids):
        return make_batch(ids, np.zeros((len(ids), DIMENSION), np.float32), [None] * len(ids))

    def _read(self, missed: int):
        for number in (number for number in range(self.batches) if number != missed):
            seed = [number, self.changed if number % 5 == 0 else 0]
            vectors = np.random.default_rng(seed).standard_normal((BATCH, DIMENSION), np.float32)
            yield make_batch([f"{number}-{row}" for row in range(BATCH)], vectors, [None] * BATCH)


def peak(batches: int, *, again: bool = False) -> int:
    """Capture and commit; give the most memory this process ever had, in bytes.

    :param again: make an incremental then, of a server on which every fifth record is another one
    """
    clock = Time()
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder), clock)
        init_store(store, "production", clock, lambda: STORE_ID)
        server = Endless(batches)
        _capture(server, store, clock, "full")
        if again:
            clock.pass_by(minutes=10)
            server.changed = 1
            made = _capture(server, store, clock, "next")
            assert made.kind is BackupKind.INCREMENTAL
            assert made.bytes < batches * BATCH * DIMENSION * 4 / 3
    return most_memory()


def _capture(server: Endless, store: LocalStore, clock: Time, run: str) -> Committed:
    wanted = request(run, streams=1, incremental=run != "full")
    prepared = prepare_capture(wanted, server, store, clock, f"{run}-a")
    summary = export_stream(prepared.plan_key, 0, server, store, clock, f"{run}-e", single_page_bytes=1000)
    made = commit_capture(prepared.plan_key, [summary.result_key], store, clock)
    assert (made.state, made.vectors) == ("good", server.batches * BATCH)
    return made


def most_memory() -> int:
    """Read the peak of this very process: what getrusage gives is inherited from whoever started it."""
    peaks = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(peaks[0].split()[1]) * 1024


def in_a_process_of_its_own(batches: int, *, again: bool = False) -> int:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply_async(peak, (batches,), {"again": again}).get(timeout=120)


def test_three_times_the_records_take_hardly_more_memory():
    """300,000 more records of half a kilobyte are 150 MB; a worker has 512. A moving collection takes most."""
    small, large = (in_a_process_of_its_own(batches) for batches in (30, 90))
    assert large < small + 100 * MEBIBYTE
    assert large < 512 * MEBIBYTE


def test_an_incremental_of_three_times_the_records_takes_hardly_more_memory():
    """Of a moving collection, of which every fifth record changed."""
    small, large = (in_a_process_of_its_own(batches, again=True) for batches in (10, 40))
    assert large < small + 100 * MEBIBYTE
    assert large < 512 * MEBIBYTE
