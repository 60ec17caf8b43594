"""What writers do to a server while it is read, and every state that it was in: what honesty is measured by."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from backup_engine.archive.manifest import BackupState, Manifest, Standing
from backup_engine.commit import Committed
from sandbox.rules import Rule, Sent
from tests.fire.outside import Outside

Records = dict[str, tuple[bytes, str]]

NAMES = ("docs", "papers")
POOL = 6
RECORDS = 60
SMALL_PAGES = 6_000
_UPSERT = "mutation($i:UpsertVectorsInput!){upsertVectors(input:$i){success affectedCount}}"


class Change(NamedTuple):
    """What another client does before a request of the capture.

    :param at: the request, from 1
    :param number: of the record, or of the first of three
    :param value: place in the pool of vectors
    """

    at: int
    name: str
    what: str
    number: int
    value: int

    @property
    def ids(self) -> list[str]:
        first = self.number + (1000 if self.what == "insert" else 0)
        return [f"r{number}" for number in range(first, first + 3)]


CHANGES = st.lists(
    st.builds(
        Change,
        at=st.integers(1, 40),
        name=st.sampled_from(NAMES),
        what=st.sampled_from(["upsert", "insert", "delete", "in flight", "anew"]),
        number=st.integers(0, RECORDS - 3),
        value=st.integers(0, POOL - 1),
    ),
    max_size=12,
)
NUMBERED = [[Change(at, "docs", "upsert", at, at % POOL) for at in range(5, 30)]]


class Ground:
    """Two collections on a server, and how it keeps each vector of a pool."""

    def __init__(self, server) -> None:
        self.server = server
        self.outside = Outside(server.url)
        self._pool = np.random.default_rng(2).standard_normal((POOL, 4)).astype(np.float32)
        self._create("pool", range(POOL))
        seen = self.outside.see("pool").collections["pool"]
        self.kept = [vector.tobytes() for vector in seen.vectors]

    def _create(self, name: str, numbers) -> None:
        self.outside.create(name, 4, "Euclid")
        self.outside.write(name, {f"r{n}": self._pool[n % POOL] for n in numbers}, {f"r{n}": n for n in numbers})

    def prepare(self) -> dict[str, Records]:
        for name in self.outside.see(*NAMES).collections:
            self.outside.drop(name)
        for name in NAMES:
            self._create(name, range(RECORDS))
        return {name: one.records for name, one in self.outside.see(*NAMES).collections.items()}

    def rules(self, change: Change) -> Iterator[Rule]:
        """An upsert in flight has deleted its records and inserts them one by one, while requests come in between."""
        erase = Sent(path="/batch_delete", json={"collection": change.name, "ids": change.ids})
        if change.what in {"delete", "in flight"}:
            yield Rule(what="write", nth=change.at, send=(erase,))
        if change.what == "anew":
            yield Rule(what="write", nth=change.at, send=(*self._anew(change.name),))
        if change.what == "in flight":
            for later, key in enumerate(change.ids, 1):
                yield Rule(what="write", nth=change.at + later, send=(self._upsert(change, [key]),))
        elif change.what != "delete":
            yield Rule(what="write", nth=change.at, send=(self._upsert(change, change.ids),))

    def _upsert(self, change: Change, ids: list[str]) -> Sent:
        data = [*map(float, self._pool[change.value])]
        given = [{"id": key, "data": data, "payload": change.value} for key in ids]
        variables = {"i": {"collection": change.name, "vectors": given}}
        return Sent(path="/graphql", json={"query": _UPSERT, "variables": variables})

    @staticmethod
    def _anew(name: str) -> Iterator[Sent]:
        yield Sent(method="DELETE", path=f"/qdrant/collections/{name}")
        yield Sent(
            method="PUT", path=f"/qdrant/collections/{name}", json={"vectors": {"size": 4, "distance": "Euclid"}}
        )


class History:
    """Every state of every collection, in order: what each change that came to pass made of it."""

    def __init__(self, ground: Ground, before: dict[str, Records], steps: list[tuple[Rule, Change]]) -> None:
        self._ground = ground
        self.states: dict[str, list[Records]] = {name: [records] for name, records in before.items()}
        for rule, change in steps:
            for sent in rule.send:
                self._note(sent, change)

    def _note(self, sent: Sent, change: Change) -> None:
        now = dict(self.states[change.name][-1])
        if sent.path == "/batch_delete":
            now = {key: record for key, record in now.items() if key not in sent.body["ids"]}
        elif sent.path == "/graphql":
            for given in sent.body["variables"]["i"]["vectors"]:
                now.pop(given["id"], None)
                now[given["id"]] = (self._ground.kept[change.value], str(change.value))
        else:
            now = {}
        self.states[change.name].append(now)

    def values(self, name: str, key: str) -> set[tuple[bytes, str]]:
        return {state[key] for state in self.states[name] if key in state}

    def untouched(self, name: str) -> Records:
        return reduce(lambda one, other: dict(one.items() & other.items()), self.states[name])

    def always(self, name: str) -> set[str]:
        return set.intersection(*({*state} for state in self.states[name]))


def placed(ground: Ground, changes: list[Change]) -> list[tuple[Rule, Change]]:
    steps = [(rule, change) for change in changes for rule in ground.rules(change)]
    steps.sort(key=lambda step: step[0].nth)
    ground.server.place(*(rule for rule, _ in steps))
    return steps


def assert_honest(committed: Committed, manifest: Manifest, held: dict[str, Records], history: History) -> None:
    """Whole is a state there really was; what moved is fuzzy, every record of it one that there really was.

    :param held: what the backup gives back, by collection and id
    """
    for summary, private in manifest.each():
        name, records = private.name, {key: (v, p or "null") for key, (v, p) in held[private.name].items()}
        assert summary.vectors == len(records)
        if summary.standing is Standing.WHOLE:
            assert records in history.states[name], f"{name} was never like that"
            continue
        assert all(record in history.values(name, key) for key, record in records.items()), "nobody ever wrote that"
        if summary.standing is Standing.FUZZY:
            assert history.untouched(name).items() <= records.items()
            assert history.always(name) <= records.keys()
            assert summary.window.lowest <= len(records) <= summary.window.highest
        else:
            assert any(f"{name!r} is {summary.standing.value}" in reason for reason in committed.reasons)
    standings = {summary.standing for summary in manifest.clear.collections}
    assert (committed.state is BackupState.GOOD) == (standings <= {Standing.WHOLE, Standing.FUZZY})
