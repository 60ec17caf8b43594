"""Any sequence of calls leaves a store as it leaves a dictionary."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from backup_engine.errors import ObjectChanged, ObjectExists, ObjectNotFound
from tests.storage.places import STORES

KEYS = st.sampled_from(["a", "b.json", "d/a", "d/b", "d-e/a", ".staging/run/1/a", ".staging/run/2/a"])
DATA = st.binary(max_size=3)
PREFIXES = st.sampled_from(["", "d/", ".staging/", ".staging/run/1/", "none/"])


class StoreAgainstDictionary(RuleBasedStateMachine):
    opening = STORES["memory"]

    def __init__(self):
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._place = type(self).opening(Path(self._folder.name))
        self.store = self._place.__enter__().open()
        self.model = {}
        self.seen = {}

    def teardown(self):
        self._place.__exit__(None, None, None)
        self._folder.cleanup()

    @rule(key=KEYS, chunks=st.lists(DATA, max_size=3))
    def create(self, key, chunks):
        if key in self.model:
            with pytest.raises(ObjectExists):
                self.store.create(key, chunks)
        else:
            self.seen.setdefault(key, []).append(self.store.create(key, chunks).version)
            self.model[key] = b"".join(chunks)

    @rule(key=KEYS, sources=st.lists(KEYS, max_size=3), tail=DATA)
    def join(self, key, sources, tail):
        if key in self.model:
            with pytest.raises(ObjectExists):
                self.store.join(key, sources, tail)
        elif not {*sources} <= {*self.model}:
            with pytest.raises(ObjectNotFound):
                self.store.join(key, sources, tail)
        else:
            self.seen.setdefault(key, []).append(self.store.join(key, sources, tail).version)
            self.model[key] = b"".join(self.model[source] for source in sources) + tail

    @rule(key=KEYS, data=DATA)
    def replace_current(self, key, data):
        if key in self.model:
            version = self.store.stat(key).version
            self.seen[key].append(self.store.replace(key, data, version=version).version)
            self.model[key] = data

    @rule(key=KEYS, data=DATA, at=st.integers(0, 5))
    def replace_what_is_no_more(self, key, data, at):
        old = self.seen.get(key, [])[: None if key not in self.model else -1]
        if old:
            with pytest.raises(ObjectChanged):
                self.store.replace(key, data, version=old[at % len(old)])

    @rule(keys=st.lists(KEYS, max_size=3))
    def delete(self, keys):
        self.store.delete(keys)
        for key in keys:
            self.model.pop(key, None)

    @rule(prefix=PREFIXES)
    def list_prefix(self, prefix):
        assert [info.key for info in self.store.list(prefix)] == sorted(
            key for key in self.model if key.startswith(prefix)
        )

    @invariant()
    def all_is_there(self):
        listed = {info.key: info for info in self.store.list("")}
        assert {*listed} == {*self.model}
        for key, data in self.model.items():
            assert b"".join(self.store.read(key)) == data
            found = self.store.stat(key)
            assert listed[key] == found.listed
            assert (found.size, found.version) == (len(data), self.seen[key][-1])


@pytest.mark.parametrize("name", STORES)
def test_any_calls_leave_the_store_as_they_leave_a_dictionary(name):
    machine = type("Machine", (StoreAgainstDictionary,), {"opening": staticmethod(STORES[name])})
    run_state_machine_as_test(machine, settings=settings(max_examples=30, stateful_step_count=25, deadline=None))
