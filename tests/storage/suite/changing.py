"""replace and delete."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from backup_engine.errors import ObjectChanged
from backup_engine.storage.contract import read_bytes


def count_up(store, key, times):
    """Add one to the number under ``key``, ``times`` times, whoever else does the same."""
    done = 0
    while done < times:
        version = store.stat(key).version
        number = int(read_bytes(store, key, limit=20))
        try:
            store.replace(key, str(number + 1).encode(), version=version)
        except ObjectChanged:
            continue
        done += 1


class Changing:
    def test_replace_overwrites_what_was_seen(self, store):
        seen = store.create("leases/restore.json", [b"old"])
        made = store.replace("leases/restore.json", b"new and longer", version=seen.version)
        assert read_bytes(store, "leases/restore.json", limit=100) == b"new and longer"
        assert made == store.stat("leases/restore.json")
        assert made.version != seen.version

    def test_replace_refuses_what_somebody_else_changed(self, store):
        seen = store.create("leases/restore.json", [b"0"])
        newer = store.replace("leases/restore.json", b"1", version=seen.version)
        with pytest.raises(ObjectChanged, match=r"leases/restore\.json"):
            store.replace("leases/restore.json", b"2", version=seen.version)
        assert store.stat("leases/restore.json") == newer
        assert read_bytes(store, "leases/restore.json", limit=100) == b"1"

    def test_replace_refuses_what_is_gone_and_makes_nothing(self, store):
        seen = store.create("leases/restore.json", [b"0"])
        store.delete(["leases/restore.json"])
        with pytest.raises(ObjectChanged, match=r"leases/restore\.json"):
            store.replace("leases/restore.json", b"1", version=seen.version)
        assert [*store.list("")] == []

    def test_replace_refuses_another_object_of_the_same_name_and_size(self, store):
        seen = store.create("leases/restore.json", [b"0"])
        for number in range(1, 30):
            store.delete(["leases/restore.json"])
            store.create("leases/restore.json", [str(number % 10).encode()])
            with pytest.raises(ObjectChanged):
                store.replace("leases/restore.json", b"x", version=seen.version)

    def test_a_version_never_comes_back_while_an_object_changes(self, store):
        versions = [store.create("leases/restore.json", [b"0"]).version]
        for number in range(50):
            content = str(number % 2).encode()
            versions.append(store.replace("leases/restore.json", content, version=versions[-1]).version)
        assert len({*versions}) == len(versions)

    def test_an_untouched_object_keeps_its_version(self, store):
        made = store.create("daily/a", [b"a"])
        store.create("daily/b", [b"b"])
        [*store.read("daily/a")]
        store.join("daily/c", ["daily/a"])
        store.delete(["daily/b"])
        assert store.stat("daily/a") == made

    def test_no_update_is_lost_among_threads_that_replace(self, place):
        place.open().create("leases/number", [b"0"])
        with ThreadPoolExecutor(8) as pool:
            [*pool.map(lambda _: count_up(place.open(), "leases/number", 10), range(8))]
        assert read_bytes(place.open(), "leases/number", limit=20) == b"80"

    def test_delete_removes_what_is_named_and_nothing_else(self, store):
        for key in ["daily/a", "daily/a.json", "daily/ab", "weekly/a"]:
            store.create(key, [b"x"])
        store.delete(iter(["daily/a", "weekly/a"]))
        assert [info.key for info in store.list("")] == ["daily/a.json", "daily/ab"]

    def test_delete_of_what_is_missing_is_success(self, store):
        store.create("daily/a", [b"x"])
        store.delete(["daily/never", "daily/a", "never/was/there", "daily/a"])
        store.delete(["daily/a"])
        store.delete([])
        assert [*store.list("")] == []
        assert store.create("daily/a", [b"new"]).size == 3

    def test_delete_may_draw_its_keys_from_a_listing(self, store):
        for number in range(30):
            store.create(f".staging/run/{number}", [b"x"])
        store.create("daily/a", [b"x"])
        store.delete(info.key for info in store.list(".staging/"))
        assert [info.key for info in store.list("")] == ["daily/a"]

    def test_free_bytes_is_a_figure_or_unknown(self, store):
        free = store.free_bytes()
        assert free is None or free > 0
