"""A store in a directory when things go wrong: drafts, locks, errors of the operating system, crashes."""

import errno
import fcntl
import os
import resource
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from backup_engine.errors import (
    DamagedArchive,
    ObjectExists,
    ObjectNotFound,
    StoreDenied,
    StoreFull,
    StoreUnavailable,
)
from backup_engine.storage import drafts
from backup_engine.storage.contract import READ_CHUNK
from backup_engine.storage.local import LocalStore
from tests.storage.calls import EVERY_CALL
from tests.storage.children import in_child, leave_root_behind


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def store(root):
    return LocalStore(root)


@pytest.fixture
def reachable():
    """A root whose parents every user may pass."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        yield root
        for path in [root, *root.iterdir()]:
            path.chmod(stat.S_IRWXU)


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if "/lock-" not in str(path))


def open_file(handle):
    """The path behind an open file."""
    return Path(f"/proc/self/fd/{handle}").readlink()


class TestTheDesk:
    def test_a_write_leaves_no_draft_whether_it_succeeds_or_fails(self, root, store):
        store.create("daily/a", [b"x"])
        store.replace("daily/a", b"y", version=store.stat("daily/a").version)
        store.join("daily/b", ["daily/a"])
        with pytest.raises(ObjectNotFound):
            store.join("daily/c", ["daily/a", "daily/none"])
        with pytest.raises(ObjectExists):
            store.create("daily/d", (store.create("daily/d", [b"1"]) and b"2" for _ in range(1)))
        with pytest.raises(KeyboardInterrupt):
            store.create("daily/e", self._interrupted())
        assert files(root) == ["daily", "daily/a", "daily/b", "daily/d", "~writing"]

    @staticmethod
    def _interrupted():
        yield b"x"
        raise KeyboardInterrupt

    def test_what_a_killed_writer_left_goes_with_the_next_write(self, root, store):
        store.create("daily/a", [b"x"])
        (root / "~writing" / "draft-dead").write_bytes(b"x" * 1000)
        store.create("daily/b", [b"x"])
        assert (root / "~writing" / "draft-dead").exists()  # this store has swept already
        LocalStore(root).create("daily/c", [b"x"])
        assert not (root / "~writing" / "draft-dead").exists()

    def test_sweep_spares_what_is_being_written(self, root, store):
        (root / "~writing").mkdir()
        (root / "~writing" / "draft-dead").write_bytes(b"")
        swept = []

        def chunks():
            (root / "~writing" / "draft-dead2").write_bytes(b"")
            yield b"x"
            swept.append(LocalStore(root).sweep())
            yield b"y"

        store.create("daily/a", chunks())
        assert swept == [1]
        assert b"".join(store.read("daily/a")) == b"xy"

    def test_a_draft_swept_between_making_and_locking_is_made_again(self, root, store, monkeypatch):
        real, victims = fcntl.flock, []

        def swept_first(handle, how):
            desk = root / "~writing"
            if how == fcntl.LOCK_EX and not victims:
                victims.extend(desk.glob("draft-*"))
                victims[0].unlink()
            return real(handle, how)

        monkeypatch.setattr(fcntl, "flock", swept_first)
        store.create("daily/a", [b"x"])
        assert len(victims) == 1
        assert b"".join(store.read("daily/a")) == b"x"

    def test_a_lock_that_nobody_lets_go_is_waited_for_until_the_deadline(self, root, store, monkeypatch):
        made = store.create("leases/a.json", [b"x"])
        monkeypatch.setattr(drafts, "_LOCK_SECONDS", 0.05)
        with store._locked("leases/a.json"), pytest.raises(StoreUnavailable, match="held"):
            store.replace("leases/a.json", b"y", version=made.version)
        store.replace("leases/a.json", b"y", version=made.version)

    def test_sweep_leaves_what_it_may_not_open(self, reachable):
        desk = reachable / "~writing"
        desk.mkdir()
        (desk / "draft-foreign").touch()
        (desk / "draft-foreign").chmod(0o000)
        desk.chmod(0o777)

        def sweep():
            leave_root_behind()
            assert LocalStore(reachable).sweep() == 0

        assert in_child(sweep) == ""
        assert (desk / "draft-foreign").exists()


class TestErrorsOfTheOperatingSystem:
    @pytest.mark.parametrize(
        ("number", "kind"),
        [
            (errno.ENOSPC, StoreFull),
            (errno.EDQUOT, StoreFull),
            (errno.EACCES, StoreDenied),
            (errno.EPERM, StoreDenied),
            (errno.EROFS, StoreDenied),
            (errno.ENOLCK, StoreDenied),
            (errno.EXDEV, StoreDenied),
            (errno.EIO, StoreUnavailable),
            (errno.ESTALE, StoreUnavailable),
            (errno.ETIMEDOUT, StoreUnavailable),
        ],
    )
    @pytest.mark.parametrize("call", ["write", "fsync"])
    def test_each_has_its_class_names_the_path_and_leaves_nothing(self, root, monkeypatch, call, number, kind):
        def fail(handle, *args):
            if open_file(handle).name.startswith("draft-"):
                raise OSError(number, os.strerror(number))
            return real(handle, *args)

        real, store = getattr(os, call), LocalStore(root)
        store.create("daily/before", [b"x"])
        monkeypatch.setattr(os, call, fail)
        with pytest.raises(kind) as raised:
            store.create("daily/one", [b"x" * 100])
        for part in [str(root / "daily/one"), os.strerror(number), socket.gethostname()]:
            assert part in str(raised.value)
        assert files(root) == ["daily", "daily/before", "~writing"]

    def test_a_limit_of_the_machine_is_a_full_store(self, store):
        def write():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            store.create("daily/one", (b"x" * 60_000 for _ in range(3)))

        assert in_child(write).startswith("StoreFull: ")
        assert [*store.list("")] == []

    @pytest.mark.parametrize("name", ["create", "join", "replace", "delete"])
    def test_no_right_to_write_names_path_and_user(self, reachable, name):
        def write():
            leave_root_behind()
            EVERY_CALL[name](LocalStore(reachable))

        LocalStore(reachable).create("daily/b", [b"x"])
        for path in [*(reachable / "~writing").iterdir(), reachable / "~writing", reachable / "daily", reachable]:
            path.chmod(0o555)
        answer = in_child(write)
        assert answer.startswith("StoreDenied: ")
        assert str(reachable) in answer
        assert "user " in answer

    def test_what_may_not_be_deleted_is_named_and_keeps_nothing_else(self, reachable):
        def delete():
            leave_root_behind()
            LocalStore(reachable).delete(["weekly/a", "daily/a", "daily/b", "weekly/b"])

        store = LocalStore(reachable)
        for key in ("daily/a", "daily/b", "weekly/a", "weekly/b"):
            store.create(key, [b"x"])
        for path in [*(reachable / "~writing").iterdir(), reachable / "~writing", reachable / "daily", reachable]:
            path.chmod(0o777)
        (reachable / "weekly").chmod(0o555)
        answer = in_child(delete)
        assert answer.startswith("StoreDenied: ")
        assert "weekly/a" in answer
        assert [found.key for found in store.list("")] == ["weekly/a", "weekly/b"]

    @pytest.mark.parametrize("name", ["list", "stat", "read"])
    def test_no_right_to_read_is_denied_and_not_an_empty_listing(self, reachable, name):
        def read():
            leave_root_behind()
            for _ in EVERY_CALL[name](LocalStore(reachable)):
                pass

        LocalStore(reachable).create("daily/a", [b"x"])
        (reachable / "daily").chmod(0o000)
        assert in_child(read).startswith("StoreDenied: ")

    def test_an_object_that_becomes_shorter_while_it_is_read_is_damage(self, root, store):
        store.create("daily/a", [b"x" * (3 * READ_CHUNK)])
        stream = store.read("daily/a")
        next(stream)
        os.truncate(root / "daily" / "a", READ_CHUNK + 5)
        with pytest.raises(DamagedArchive, match="daily/a"):
            b"".join(stream)

    @pytest.mark.parametrize("number", [errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, 0])
    def test_join_copies_by_itself_where_the_kernel_cannot(self, store, monkeypatch, number):
        def unable(*_):
            if not number:
                return 0
            raise OSError(number, os.strerror(number))

        store.create("a", [os.urandom(2 * READ_CHUNK + 7)])
        monkeypatch.setattr(os, "copy_file_range", unable)
        store.join("b", ["a", "a"], b"tail")
        assert b"".join(store.read("b")) == b"".join(store.read("a")) * 2 + b"tail"

    def test_join_notices_a_source_that_becomes_shorter(self, root, store, monkeypatch):
        real = os.copy_file_range

        def cut(source, target, size):
            os.truncate(root / "a", 10)
            return real(source, target, min(size, 10))

        store.create("a", [b"x" * 1000])
        monkeypatch.setattr(os, "copy_file_range", cut)
        with pytest.raises(DamagedArchive, match="990 more bytes"):
            store.join("b", ["a"])
        assert [info.key for info in store.list("")] == ["a"]


class TestDurability:
    """Nothing has a name before its bytes are on disk, and no call returns before the name is."""

    @pytest.fixture
    def seen(self, root, monkeypatch):
        seen = []

        def watch(name, describe):
            real = getattr(os, name)

            def call(*args, **kwargs):
                answer = real(*args, **kwargs)
                seen.append((name, describe(args, kwargs)))
                return answer

            monkeypatch.setattr(os, name, call)

        def path(handle):
            found = open_file(handle).relative_to(root)
            return "draft" if found.name.startswith("draft-") else str(found)

        watch("fsync", lambda args, _: path(args[0]))
        watch("write", lambda args, _: path(args[0]))
        watch("link", lambda args, _: args[1])
        watch("rename", lambda args, _: args[1])
        watch("unlink", lambda args, _: args[0] if "draft" not in args[0] else "draft")
        watch("mkdir", lambda args, _: args[0])
        return seen

    def test_create_brings_content_name_and_new_folders_to_disk_in_this_order(self, store, seen):
        store.sweep()
        del seen[:]
        store.create("daily/sub/a", [b"x"])
        assert seen == [
            ("fsync", "."),
            ("write", "draft"),
            ("fsync", "draft"),
            ("mkdir", "daily"),
            ("fsync", "."),
            ("mkdir", "sub"),
            ("fsync", "daily"),
            ("link", "a"),
            ("fsync", "daily/sub"),
            ("unlink", "draft"),
        ]

    def test_replace_brings_content_and_name_to_disk(self, store, seen):
        version = store.create("daily/a", [b"x"]).version
        del seen[:]
        store.replace("daily/a", b"y", version=version)
        order = [entry for entry in seen if entry[1] != "."]
        assert order == [("write", "draft"), ("fsync", "draft"), ("rename", "a"), ("fsync", "daily")]

    def test_each_deletion_is_on_disk_before_the_next(self, store, seen):
        store.create("daily/a.json", [b"x"])
        store.create("daily/a", [b"x"])
        del seen[:]
        store.delete(["daily/a.json", "daily/a"])
        order = [entry for entry in seen if entry[1] != "."]
        assert order == [("unlink", "a.json"), ("fsync", "daily"), ("unlink", "a"), ("fsync", "daily")]
