"""Reading out of a server backup: the last way, for servers that let nothing else through.

Each pass makes a server backup of the one collection, which is one moment, and reads it back. Nobody can delete it over
HTTP, and a server without downloads sends all of its server backups each time, built in its memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa

from backup_engine import wording
from backup_engine.errors import UnexpectedAnswer
from backup_engine.model import CollectionState, Reading, ReadWay
from backup_engine.vectorizer.server_backups.api import BackupApi

_LONG_NUMBER = re.compile(r"\d[\d.]{15}|\de[+-]")


class BackupReading:
    """Reads the records of one server out of server backups."""

    way = ReadWay.BACKUP_API

    def __init__(self, backup_api: BackupApi) -> None:
        self._api = backup_api

    def probe(self, name: str) -> None:  # noqa: ARG002
        """Look for the routes."""
        self._api.probe()

    def read(self, state: CollectionState, *, single_page: bool = False) -> Reading:  # noqa: ARG002  always one
        """Plan a pass; the server backup is made when its first batch is asked for."""
        notes: list[str] = []
        return Reading(1, self._batches(state, notes), self.way, notes)

    def _batches(self, state: CollectionState, notes: list[str]) -> Iterator[pa.RecordBatch]:
        made = self._api.ask_for(f"vectorizer-backup of {state.name}", [state.name])
        notes.append(self._api.stays(made.id))
        rounded = nothing = 0
        found = False
        for saved in self._api.contents(made.id):
            if saved.name != state.name:
                continue
            found = True
            for batch in saved.batches(state.dimension):
                payloads = [payload for payload in batch.column("payload").to_pylist() if payload is not None]
                rounded += sum(_LONG_NUMBER.search(payload) is not None for payload in payloads)
                nothing += payloads.count("{}")
                yield batch
        if not found:
            raise UnexpectedAnswer(
                f"the server backup {made.id} was to hold {state.name!r} and does not. {self._api.stays(made.id)}"
            )
        notes += _doubts(rounded, nothing)


def _doubts(rounded: int, nothing: int) -> list[str]:
    """Say what server backups change without a trace."""
    found = []
    if rounded:
        found.append(
            f"{wording.count(rounded, 'payload')} with numbers of 16 digits or more: the server backup rounds such a "
            "number's last digit now and then, and makes floats of integers beyond 64 bits"
        )
    if nothing:
        found.append(f"{wording.count(nothing, 'payload')} of {{}}: the server backup writes null so too")
    return found
