"""What holds between processes, for stores that outlive one."""

import os
import tracemalloc
from multiprocessing import get_context
from select import select

import pytest

from backup_engine.errors import ObjectExists, ObjectNotFound
from backup_engine.storage.contract import read_bytes
from tests.storage.suite.changing import count_up

_processes = get_context("fork")
_MIB = 1 << 20
_PATIENCE = 60  # seconds; a deadline, never a pause


def run_together(work, count):
    """Run ``work(number, wait_for_all)`` in so many processes; give what each returned."""
    together, answers = _processes.Barrier(count), _processes.SimpleQueue()

    def body(number):
        answers.put(work(number, lambda: together.wait(_PATIENCE)))

    workers = [_processes.Process(target=body, args=(number,), daemon=True) for number in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(_PATIENCE)
    assert [worker.exitcode for worker in workers] == [0] * count
    return [answers.get() for _ in workers]


def kill_at_signal(work):
    """Run ``work(signal)`` in a process that is killed (as by ``kill -9``) once it calls ``signal``."""
    reached, reach = os.pipe()

    def signal():
        os.write(reach, b"!")
        os.read(os.pipe()[0], 1)  # for ever

    worker = _processes.Process(target=work, args=(signal,), daemon=True)
    worker.start()
    os.close(reach)
    try:
        assert select([reached], [], [], _PATIENCE)[0], "the writer did not come to its signal"
        assert os.read(reached, 1) == b"!"
    finally:
        os.close(reached)
        worker.kill()
        worker.join(_PATIENCE)
    assert worker.exitcode == -9


class SharedStoreContract:
    def test_of_many_processes_that_create_one_key_exactly_one_wins(self, shared):
        def write(number, wait_for_all):
            store = shared.open()
            wait_for_all()
            try:
                store.create("daily/one", [bytes([number])] * 100)
            except ObjectExists:
                return None
            return number

        winners = [number for number in run_together(write, 6) if number is not None]
        assert len(winners) == 1
        assert read_bytes(shared.open(), "daily/one", limit=100) == bytes(winners) * 100

    def test_no_update_is_lost_among_processes_that_replace(self, shared):
        shared.open().create("leases/number", [b"0"])

        def count(_, wait_for_all):
            store = shared.open()
            wait_for_all()
            count_up(store, "leases/number", 20)

        run_together(count, 4)
        assert read_bytes(shared.open(), "leases/number", limit=20) == b"80"

    def test_what_one_process_wrote_every_other_sees_at_once(self, shared):
        here = shared.open()

        def write(_, __):
            store = shared.open()
            store.create("daily/a", [b"a"])
            store.join("daily/b", ["daily/a"], b"b")
            store.delete(["daily/a"])

        run_together(write, 1)
        assert [info.key for info in here.list("")] == ["daily/b"]
        assert read_bytes(here, "daily/b", limit=2) == b"ab"

    @pytest.mark.parametrize("chunks", [0, 1, 5])
    def test_a_writer_killed_while_it_streams_leaves_no_object(self, shared, chunks):
        def write(signal):
            def dying():
                for _ in range(chunks):
                    yield b"x" * 300_000
                signal()

            shared.open().create("daily/one", dying())

        kill_at_signal(write)
        store = shared.open()
        assert [*store.list("")] == []
        with pytest.raises(ObjectNotFound):
            store.stat("daily/one")
        assert store.create("daily/one", [b"again"]).size == 5

    def test_memory_stays_flat_however_large_the_object_is(self, shared):
        store, size = shared.open(), 192 * _MIB
        tracemalloc.start()
        try:
            store.create(".staging/a", (bytes(_MIB) for _ in range(size // _MIB)))
            store.join("daily/one", [".staging/a", ".staging/a"], b"tail")
            read = sum(len(chunk) for chunk in store.read("daily/one"))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert read == 2 * size + 4
        assert peak < 64 * _MIB
