"""Reading records, by whichever way the server offers: the best one is found once and remembered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import pyarrow as pa

from backup_engine.errors import (
    AccessDenied,
    CollectionNotFound,
    PermanentError,
    RequestRefused,
    UnexpectedAnswer,
    Unsupported,
)
from backup_engine.model import CollectionState, Reading, ReadWay
from backup_engine.vectorizer.client import VectorizerClient
from backup_engine.vectorizer.offset_pages import GraphqlPages, ListPages
from backup_engine.vectorizer.refusals import RouteMissing
from backup_engine.vectorizer.scroll import Scroll
from backup_engine.vectorizer.server_backups.api import BackupApi
from backup_engine.vectorizer.server_backups.reading import BackupReading
from backup_engine.vectorizer.state import read_version

_ABSENT = {404, 405, 501}


class Way(Protocol):
    """One way to read a collection."""

    @property
    def way(self) -> ReadWay:
        """Which one."""

    def probe(self, name: str) -> None:
        """Find out whether the server offers it, by asking for as little as possible of a collection it lists.

        :raises PermanentError: it does not
        """

    def read(self, state: CollectionState, *, single_page: bool = False) -> Reading:
        """Plan a pass and give its batches as they stream in."""


class Reader:
    """Reads the records of one server.

    Unless the settings name a way, those that the server offers are found by asking, the best one first: scroll (large
    pages, cheap for the server), GraphQL (1,000 a page, each costs the server a copy of the collection), the list (50 a
    page), and in the end a server backup (which nobody can delete again).
    """

    def __init__(self, client: VectorizerClient, backup_api: BackupApi) -> None:
        self._client = client
        self._ways: tuple[Way, ...] = (
            Scroll(client),
            GraphqlPages(client),
            ListPages(client),
            BackupReading(backup_api),
        )
        wanted = client.settings.read_with
        self._way: Way | None = next((way for way in self._ways if way.way is wanted), None)

    def read(self, state: CollectionState, *, single_page: bool = False) -> Reading:
        """Plan a pass and give its batches as they stream in.

        :raises UnexpectedAnswer: the server lists the collection, but could not load it
        :raises Unsupported: the server offers no way, or not the one that the settings name
        """
        if state.dimension == 0:
            raise UnexpectedAnswer(
                f"{self._client.url} lists {state.name!r} but could not load it; see the server's log, then load or "
                "delete the collection"
            )
        if self._way is None:
            self._way = self._find(state.name)
        reading = self._way.read(state, single_page=single_page)
        return replace(reading, batches=self._explained(reading))

    def _find(self, name: str) -> Way:
        reasons = []
        for way in self._ways:
            try:
                way.probe(name)
            except PermanentError as error:
                if not _says_absent(error):
                    raise
                reasons.append(f"{way.way}: {error}")
            else:
                return way
        raise Unsupported(
            f"Vectorizer {read_version(self._client)} at {self._client.url} offers no way to read records: "
            f"{'; '.join(reasons)}. Let the proxy before the server pass one of them, or name the server's own address"
        )

    def _explained(self, reading: Reading) -> Iterator[pa.RecordBatch]:
        """Pass a reading on, and name the way where its route is not there (any more)."""
        try:
            yield from reading.batches
        except (RouteMissing, Unsupported) as error:
            others = ", ".join(way.way for way in self._ways if way.way is not reading.way)
            raise Unsupported(
                f"Vectorizer {read_version(self._client)} at {self._client.url} cannot give this by {reading.way} "
                f"({error}); read_with names another way ({others}), and auto takes the best one there is"
            ) from error


def _says_absent(error: PermanentError) -> bool:
    """Tell whether a refusal means that the route is not there, or not for us, rather than that something is wrong."""
    if isinstance(error, RequestRefused):
        return error.status in _ABSENT and not isinstance(error, CollectionNotFound)
    return isinstance(error, (AccessDenied, Unsupported))
