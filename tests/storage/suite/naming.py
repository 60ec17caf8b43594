"""Keys: what is one, and that nothing else is ever followed."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from backup_engine.errors import UnsafeKey
from backup_engine.storage.contract import is_segment

_quiet = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
_segments = st.from_regex(r"\A[A-Za-z0-9._-]{1,200}\Z").filter(lambda name: name not in {".", ".."})
_odd = st.sampled_from(["..", ".", "", " ", "~writing", "a b", "ä", "\0", "\n", "a\\b", "%2e%2e", "C:", "*", "x" * 201])


def _is_key(text):
    return len(text) <= 900 and all(is_segment(part) for part in text.split("/"))


_hostile = st.one_of(
    st.text().filter(lambda text: not _is_key(text)),
    st.tuples(st.lists(_segments, max_size=2), _odd, st.lists(_segments, max_size=2)).map(
        lambda parts: "/".join([*parts[0], parts[1], *parts[2]])
    ),
)


class Naming:
    @_quiet
    @given(key=_hostile)
    @example("../outside")
    @example("/etc/passwd")
    @example("daily/../../outside")
    @example("daily/")
    @example("store.json\n")
    @example("a/" * 450 + "a")
    def test_what_is_no_key_is_refused_by_every_call_before_it_does_anything(self, store, key):
        if not [*store.list("")]:
            store.create("daily/a", [b"x"])
        before, drawn = [*store.list("")], []
        attempts = [
            lambda: store.stat(key),
            lambda: store.read(key),
            lambda: store.create(key, (drawn.append(1) or b"x" for _ in range(1))),
            lambda: store.replace(key, b"x", version="1"),
            lambda: store.join(key, ["daily/a"]),
            lambda: store.join("daily/b", ["daily/a", key]),
            lambda: store.delete(["daily/a", key]),
        ]
        for attempt in attempts:
            with pytest.raises(UnsafeKey):
                attempt()
        assert not drawn
        assert [*store.list("")] == before

    @_quiet
    @given(segments=st.lists(_segments, min_size=1, max_size=4))
    def test_every_key_the_contract_allows_works(self, place, segments):
        store, key = place.fresh(), "/".join(segments)
        store.create(key, [b"x"])
        assert store.stat(key).key == key
        assert [info.key for info in store.list("")] == [key]
        assert b"".join(store.read(key)) == b"x"
        store.delete([key])
        assert [*store.list("")] == []

    def test_keys_differ_by_case(self, store):
        store.create("daily/A", [b"upper"])
        store.create("daily/a", [b"lower"])
        assert b"".join(store.read("daily/A")) == b"upper"

    def test_messages_name_the_place(self, store):
        with pytest.raises(UnsafeKey, match=r"'\.\./x'"):
            store.stat("../x")
        assert "@" not in store.url
