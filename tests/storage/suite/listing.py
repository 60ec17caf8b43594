"""list: complete, sorted, and of this prefix only."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backup_engine.errors import UnsafeKey

_names = st.text("aB0.-_", min_size=1, max_size=3).filter(lambda name: name not in {".", ".."})


def _without_folders(keys):
    """Leave out keys that are folders of others: no store here needs to hold both."""
    return {key for key in keys if not any(other.startswith(f"{key}/") for other in keys)}


class Listing:
    def test_an_empty_store_lists_nothing(self, store):
        assert [*store.list("")] == []
        assert [*store.list("daily/")] == []

    def test_a_prefix_is_a_folder_and_never_the_beginning_of_a_name(self, store):
        for key in ["docs/a", "docs/sub/b", "docs2/a", "docs.json", "docs-old/a", "other/docs/a"]:
            store.create(key, [key.encode()])
        assert [info.key for info in store.list("docs/")] == ["docs/a", "docs/sub/b"]
        assert [info.key for info in store.list("docs/sub/")] == ["docs/sub/b"]
        assert [*store.list("docs/a/")] == []
        assert [*store.list("doc/")] == []

    @pytest.mark.parametrize(
        "prefix", ["docs", "docs/a", "/", "//", "docs//", "../", "docs/../", "./", "/docs/", "do cs/"]
    )
    def test_a_prefix_that_is_no_folder_is_refused_by_the_call_itself(self, store, prefix):
        with pytest.raises(UnsafeKey):
            store.list(prefix)

    def test_staging_and_other_dotted_names_are_ordinary_keys(self, store):
        for key in [".staging/run/plan.json", ".hidden", "a/.b/..c/...", "-", "_"]:
            store.create(key, [b"x"])
        assert [info.key for info in store.list("")] == ["-", ".hidden", ".staging/run/plan.json", "_", "a/.b/..c/..."]
        assert [info.key for info in store.list(".staging/")] == [".staging/run/plan.json"]

    def test_keys_are_sorted_as_text_across_folders(self, store):
        keys = ["a/b", "a-b", "a.b", "a/b-c/d", "a0", "a/b.c", "Z", "a/b_c", "a/bc/d"]
        for key in _without_folders({*keys}):
            store.create(key, [b"x"])
        assert [info.key for info in store.list("")] == sorted(keys)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
    @given(paths=st.sets(st.lists(_names, min_size=1, max_size=4).map("/".join), max_size=12), data=st.data())
    def test_any_keys_are_listed_completely_and_sorted(self, place, paths, data):
        store = place.fresh()
        keys = _without_folders(paths)
        for key in keys:
            store.create(key, [key.encode()])
        assert [(info.key, info.size) for info in store.list("")] == [(key, len(key)) for key in sorted(keys)]
        folders = sorted({key.rpartition("/")[0] + "/" for key in keys if "/" in key}) or ["none/"]
        prefix = data.draw(st.sampled_from(folders))
        assert [info.key for info in store.list(prefix)] == sorted(key for key in keys if key.startswith(prefix))

    def test_more_keys_than_a_page_of_s3_or_gcs_has_are_listed_completely(self, place):
        store = place.open()
        keys = [f"daily/backup-{number:05d}.json" for number in range(1200)]
        with ThreadPoolExecutor(8) as pool:
            [*pool.map(lambda key: store.create(key, [b"{}"]), keys)]
        store.create("weekly/backup.json", [b"{}"])
        assert [info.key for info in store.list("daily/")] == keys
        assert len([*store.list("")]) == 1201

    def test_what_stays_is_listed_whatever_comes_and_goes_meanwhile(self, store):
        lasting = [f"daily/{number:03d}" for number in range(0, 100, 2)]
        for number in range(100):
            store.create(f"daily/{number:03d}", [b"x"])
        found = []
        for info in store.list(""):
            found.append(info.key)
            store.delete([f"daily/{len(found) * 2 % 100 + 1:03d}"])
            store.create(f"weekly/{len(found)}", [b"x"])
        assert {*lasting} <= {*found}
        assert found == sorted(found)
        assert len({*found}) == len(found)
