"""A process that is killed at any system call of a write leaves each object whole, as it was or as it was to be."""

import os
import signal
from multiprocessing import get_context

import pytest

from backup_engine.errors import ObjectExists
from backup_engine.storage.local import LocalStore
from tests.storage.places import LOCAL

CALLS = ["open", "write", "utime", "fsync", "link", "rename", "unlink", "mkdir", "rmdir", "copy_file_range", "close"]
OLD, NEW = b"old" * 10, b"new" * 20
_processes = get_context("fork")


def _dying_at(number):
    """Wrap the system calls: each transfer moves a few bytes only, and the n-th call never happens."""
    made = 0

    def wrap(name, real):
        def call(*args, **kwargs):
            nonlocal made
            made += 1
            if made == number:
                os.kill(os.getpid(), signal.SIGKILL)
            if name == "write":
                args = (args[0], args[1][:7])
            if name == "copy_file_range":
                args = (*args[:2], min(args[2], 7))
            return real(*args, **kwargs)

        return call

    for name in CALLS:
        setattr(os, name, wrap(name, getattr(os, name)))


def _killed(work, number):
    """Run it in a process of its own; tell whether it came to its n-th system call."""

    def body():
        _dying_at(number)
        work()
        os._exit(0)  # done: leave at once, without the wrapped calls

    worker = _processes.Process(target=body, daemon=True)
    worker.start()
    worker.join(60)
    assert worker.exitcode in {-signal.SIGKILL, 0}
    return worker.exitcode == -signal.SIGKILL


def _contents(store):
    return {info.key: b"".join(store.read(info.key)) for info in store.list("")}


def _drafts(store):
    desk = store._root / "~writing"
    return [path for path in desk.iterdir() if path.name.startswith("draft-")] if desk.exists() else []


def create(store):
    store.create("daily/sub/one", [NEW[:31], NEW[31:]])


def join(store):
    store.join("daily/sub/one", ["kept/a", "kept/b"], NEW)


def replace(store):
    store.replace("kept/a", NEW, version=store.stat("kept/a").version)


def delete(store):
    store.delete(["kept/sub/manifest", "kept/sub/archive", "kept/b"])


BEFORE = {"kept/a": OLD, "kept/b": OLD, "kept/sub/archive": OLD, "kept/sub/manifest": OLD}
OUTCOMES = {
    create: [BEFORE, BEFORE | {"daily/sub/one": NEW}],
    join: [BEFORE, BEFORE | {"daily/sub/one": OLD + OLD + NEW}],
    replace: [BEFORE, BEFORE | {"kept/a": NEW}],
    delete: [
        BEFORE,
        {"kept/a": OLD, "kept/b": OLD, "kept/sub/archive": OLD},
        {"kept/a": OLD, "kept/b": OLD},
        {"kept/a": OLD},
    ],
}
"""What may be there after a kill; the last one after the next run."""


@pytest.fixture(params=LOCAL)
def place(request, tmp_path):
    with LOCAL[request.param](tmp_path) as place:
        yield place


@pytest.mark.parametrize("work", OUTCOMES, ids=lambda work: work.__name__)
def test_a_kill_at_any_system_call_leaves_every_object_whole(place, work):
    number, died = 0, True
    while died:
        number += 1
        store = place.fresh()
        for key, data in BEFORE.items():
            store.create(key, [data])
        died = _killed(lambda store=store: work(LocalStore(store._root)), number)
        _check_survived(LocalStore(store._root), work)
    assert number > 10


def _check_survived(store, work):
    """What is there is one of the outcomes; the next run reaches the last one, and nothing half-written stays."""
    found = _contents(store)
    assert found in OUTCOMES[work]
    try:
        work(store)
    except ObjectExists:
        assert found == OUTCOMES[work][-1]
    assert _contents(store) == OUTCOMES[work][-1]
    store.sweep()
    assert not _drafts(store)
