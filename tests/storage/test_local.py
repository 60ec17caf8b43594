"""What is special about a store in a directory: its root, its folders, and that nothing leads outside."""

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup_engine.errors import InvalidInput, ObjectExists, ObjectNotFound, StoreNotInitialised, UnsafeKey
from backup_engine.storage.local import LocalStore
from tests.storage.calls import EVERY_CALL, every_call


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def store(root):
    return LocalStore(root)


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if "/lock-" not in str(path))


class TestTheRoot:
    @every_call
    def test_a_root_that_is_not_there_is_an_error_with_host_and_path_and_is_never_made(self, tmp_path, call):
        missing = tmp_path / "not" / "mounted"
        with pytest.raises(StoreNotInitialised) as raised:
            call(LocalStore(missing))
        assert socket.gethostname() in str(raised.value)
        assert str(missing) in str(raised.value)
        assert not missing.parent.exists()

    @every_call
    def test_a_root_that_is_a_file_is_an_error(self, tmp_path, call):
        (tmp_path / "file").write_text("x")
        with pytest.raises(StoreNotInitialised):
            call(LocalStore(tmp_path / "file"))

    def test_a_root_that_disappears_is_an_error_and_not_an_empty_store(self, root, store):
        store.create("daily/a", [b"x"])
        root.rename(root.with_name("unmounted"))
        with pytest.raises(StoreNotInitialised):
            store.list("")
        with pytest.raises(StoreNotInitialised):
            store.create("daily/b", [b"x"])
        assert not root.exists()

    def test_only_create_root_makes_it_with_what_is_above(self, tmp_path):
        store = LocalStore(tmp_path / "base" / "production")
        store.create_root()
        store.create("daily/a", [b"x"])
        store.create_root()
        assert [info.key for info in store.list("")] == ["daily/a"]

    def test_create_root_where_a_file_lies_is_an_error(self, tmp_path):
        (tmp_path / "file").write_text("x")
        with pytest.raises(ObjectNotFound, match="file"):
            LocalStore(tmp_path / "file" / "below").create_root()

    def test_a_relative_root_is_refused(self):
        with pytest.raises(InvalidInput, match="absolute"):
            LocalStore(Path("backups"))

    def test_the_root_itself_may_be_a_symbolic_link(self, tmp_path, root):
        (tmp_path / "link").symlink_to(root)
        LocalStore(tmp_path / "link").create("daily/a", [b"x"])
        assert (root / "daily" / "a").read_bytes() == b"x"

    def test_the_url_is_the_root(self, tmp_path):
        assert LocalStore(tmp_path / "a b").url == f"file://{tmp_path}/a%20b"

    def test_free_bytes_is_what_the_file_system_leaves(self, root, store):
        found = os.statvfs(root)
        assert abs(store.free_bytes() - found.f_bavail * found.f_frsize) < 1 << 30


class TestNothingLeadsOutside:
    @pytest.fixture
    def outside(self, tmp_path):
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "a").write_text("secret")
        return outside

    @pytest.mark.parametrize("name", ["stat", "read", "create", "replace", "join", "delete"])
    def test_a_linked_folder_is_refused(self, root, store, outside, name):
        (root / "daily").symlink_to(outside)
        with pytest.raises(UnsafeKey, match="symbolic link"):
            EVERY_CALL[name](store)
        assert (outside / "a").read_text() == "secret"
        assert [*outside.iterdir()] == [outside / "a"]

    @pytest.mark.parametrize("name", ["stat", "read", "create", "replace", "join", "delete"])
    def test_a_linked_object_is_refused(self, root, store, outside, name):
        (root / "daily").mkdir()
        (root / "daily" / "a").symlink_to(outside / "a")
        with pytest.raises(UnsafeKey, match="symbolic link"):
            EVERY_CALL[name](store)
        assert (outside / "a").read_text() == "secret"

    def test_a_dangling_link_is_not_written_through(self, root, store, outside):
        (root / "daily").mkdir()
        (root / "daily" / "a").symlink_to(outside / "new")
        with pytest.raises(UnsafeKey):
            store.create("daily/a", [b"x"])
        assert not (outside / "new").exists()

    @pytest.mark.parametrize("name", ["daily", "b"])
    def test_a_listing_with_a_link_fails_rather_than_miss_what_is_behind_it(self, root, store, outside, name):
        store.create("a", [b"x"])
        (root / name).symlink_to(outside)
        with pytest.raises(UnsafeKey, match="symbolic link"):
            [*store.list("")]

    def test_a_linked_desk_is_refused(self, root, store, outside):
        (root / "~writing").symlink_to(outside)
        with pytest.raises(UnsafeKey, match="symbolic link"):
            store.create("daily/a", [b"x"])
        assert [*outside.iterdir()] == [outside / "a"]

    def test_what_is_no_file_is_no_object(self, root, store):
        os.mkfifo(root / "pipe")
        with pytest.raises(ObjectNotFound):
            store.stat("pipe")
        with pytest.raises(ObjectNotFound):
            store.read("pipe")
        assert [*store.list("")] == []

    def test_names_that_are_no_keys_are_left_alone(self, root, store):
        (root / "lost+found").mkdir()
        (root / "lost+found" / "x").write_text("x")
        (root / "a file").write_text("x")
        store.create("a", [b"x"])
        assert [info.key for info in store.list("")] == ["a"]


class TestFolders:
    def test_empty_folders_go_with_their_last_object_but_those_at_the_top_stay(self, root, store):
        store.create(".staging/run/attempt/plan.json", [b"{}"])
        store.create(".staging/run2/plan.json", [b"{}"])
        store.delete([".staging/run/attempt/plan.json"])
        assert files(root) == [".staging", ".staging/run2", ".staging/run2/plan.json", "~writing"]
        store.delete([".staging/run2/plan.json"])
        assert files(root) == [".staging", "~writing"]

    def test_writers_and_cleaners_of_one_folder_do_not_disturb_each_other(self, root):
        def work(number):
            store = LocalStore(root)
            for turn in range(60):
                store.create(f".staging/run/attempt/{number}-{turn}", [b"x"])
                store.delete([f".staging/run/attempt/{number}-{turn}"])

        with ThreadPoolExecutor(4) as pool:
            [*pool.map(work, range(4))]
        assert [*LocalStore(root).list("")] == []

    def test_a_key_cannot_be_a_folder_of_others_too(self, store):
        store.create("daily/a", [b"x"])
        with pytest.raises(ObjectExists, match="nothing can lie below"):
            store.create("daily/a/b", [b"x"])
        with pytest.raises(ObjectExists, match="daily"):
            store.create("daily", [b"x"])

    @pytest.mark.parametrize(
        ("umask", "file", "folder"), [(0o022, 0o640, 0o750), (0o007, 0o660, 0o770), (0o077, 0o600, 0o700)]
    )
    def test_files_and_folders_are_never_for_others_and_respect_the_umask(self, root, umask, file, folder):
        before = os.umask(umask)
        try:
            LocalStore(root).create("daily/a", [b"x"])
            LocalStore(root).join("daily/b", ["daily/a"])
        finally:
            os.umask(before)
        assert {(root / name).stat().st_mode & 0o777 for name in ["daily/a", "daily/b"]} == {file}
        assert {(root / name).stat().st_mode & 0o777 for name in ["daily", "~writing"]} == {folder}

    def test_the_time_of_an_object_is_the_clocks(self, root):
        moment = datetime(2031, 5, 6, 7, 8, 9, 123000, tzinfo=UTC)
        store = LocalStore(root, lambda: moment)
        assert store.create("a", [b"x"]).modified_at == moment
        assert store.replace("a", b"y", version=store.stat("a").version).modified_at == moment
        assert store.join("b", ["a"]).modified_at == moment
        assert store.stat("a").modified_at == moment
