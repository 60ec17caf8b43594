"""Copies of single collections on the server's own disk: its native snapshots, since 3.3.0.

A snapshot's id is the second in which it was taken, and the next one of the same second is written over it. So taking
one ends only when that second has passed: what it holds is what the collection held then, whoever takes others.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from backup_engine.errors import (
    CollectionNotFound,
    SnapshotNotFound,
    UnexpectedAnswer,
    Unsupported,
)
from backup_engine.model import ServerSnapshot
from backup_engine.vectorizer.answers import as_list, as_object
from backup_engine.vectorizer.client import VectorizerClient
from backup_engine.vectorizer.refusals import RouteMissing
from backup_engine.vectorizer.settings import path_of
from backup_engine.vectorizer.state import list_collections, read_facts

_FRACTION = re.compile(r"T\d\d:\d\d:\d\d\.(\d+)")
_MARGIN = 0.05  # seconds; the answer's time is read a moment before the file's name is made


class Snapshots:
    """Snapshots of one server.

    :param sleep: how to wait for the end of a second
    """

    def __init__(self, client: VectorizerClient, sleep: Callable[[float], object] = time.sleep) -> None:
        self._client = client
        self._sleep = sleep

    def take(self, name: str) -> str:
        """Take one of a listed collection.

        :raises CollectionNotFound: the server does not list it; asked for all the same, a deleted one would come back
            broken, and its snapshot would be empty
        :raises Unsupported: the server takes none, or would write this one outside of its data directory
        """
        if name.startswith("/"):
            raise Unsupported(
                f"{name!r}: Vectorizer writes the snapshot of a name that begins with a slash outside of its data "
                "directory; restore it under another name"
            )
        if name not in {state.name for state in list_collections(self._client)}:
            raise CollectionNotFound(f"{self._client.url} does not list the collection {name!r}", status=404)
        try:
            answer = self._client.call(
                "POST", path_of("collections", name, "snapshot"), {}, repeatable=False, patient=True
            )
        except RouteMissing as error:
            raise self._unsupported() from error
        fields = answer.fields()
        if not isinstance(fields.get("id"), str):
            raise UnexpectedAnswer(f"{answer.what}: the snapshot's id was expected, found {str(fields)[:200]}")
        self._sleep(_rest_of_second(str(fields.get("created_at"))))
        return str(fields["id"])

    def listed(self, name: str) -> tuple[ServerSnapshot, ...]:
        """List those of a collection, newest first; none where the server takes none."""
        try:
            answer = self._client.get(path_of("collections", name, "snapshots"))
        except RouteMissing:
            return ()
        entries = as_list(answer.fields().get("snapshots"), answer.what)
        return tuple(_snapshot(as_object(entry, answer.what), answer.what) for entry in entries)

    def restore(self, name: str, snapshot_id: str) -> None:
        """Put one back. Where the disk knows the name, a reader that asks for it in the middle makes the server count
        everything twice (measured: 10 of 30 under four readers), and the answer is 200 all the same.

        :raises SnapshotNotFound: there is no such snapshot
        """
        if snapshot_id not in {snapshot.id for snapshot in self.listed(name)}:
            raise SnapshotNotFound(
                f"{self._client.url} has no snapshot {snapshot_id!r} of {name!r} (any more)", status=404
            )
        path = path_of("collections", name, "snapshots", snapshot_id, "restore")
        self._client.call("POST", path, {}, repeatable=False, patient=True)

    def _unsupported(self) -> Unsupported:
        version = read_facts(self._client).version
        return Unsupported(
            f"Vectorizer {version} at {self._client.url} takes no snapshots of collections (3.3.0 and later do); "
            "restore under another name, or with mode merge"
        )


def _rest_of_second(created_at: str) -> float:
    found = _FRACTION.search(created_at)
    return 1.0 - (float(f"0.{found[1]}") if found else 0.0) + _MARGIN


def _snapshot(entry: dict[str, object], what: str) -> ServerSnapshot:
    size = entry.get("size_bytes")
    if not isinstance(entry.get("id"), str) or not isinstance(size, int):
        raise UnexpectedAnswer(f"{what}: a snapshot's id and size were expected, found {str(entry)[:200]}")
    return ServerSnapshot(id=str(entry["id"]), bytes=size)
