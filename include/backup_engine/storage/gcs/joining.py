"""One object of many, inside the store: no byte of the sources comes here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

from backup_engine.errors import DamagedArchive, ObjectChanged, ObjectNotFound, StoreDenied, StoreUnavailable
from backup_engine.storage.gcs.checksums import extended, joined
from backup_engine.storage.gcs.deleting import SIDE_BY_SIDE, delete_all
from backup_engine.storage.gcs.objects import ABSENT, Held, Objects
from backup_engine.storage.gcs.planning import Compose, plan_composes
from backup_engine.storage.layout import STAGING, Layout, Spot

_log = logging.getLogger(__name__)


class Joining:
    """One join.

    Pieces are put together in the bucket where staging lies, for compose works within one bucket, and what comes in
    between has to be deleted, which another bucket's retention policy may forbid. From there the whole is rewritten
    to where it belongs: when that is another bucket, or needs another key.

    :param writer: a word that no other writer has
    """

    def __init__(self, objects: Objects, layout: Layout, writer: str) -> None:
        self._objects = objects
        self._layout = layout
        self._writer = writer
        self._temporaries: list[Spot] = []
        self._folder = ""

    def join(self, key: str, sources: Sequence[str], tail: bytes) -> Held:
        """Make the object.

        :param sources: at least one
        :raises ObjectExists: the name is taken
        :raises ObjectNotFound: a source is missing
        """
        target = self._layout.spot(key)
        self._folder = _folder_for(sources, self._writer)
        found = self._look([self._layout.spot(source) for source in sources])
        with self._tidied():
            parts = [self._at_the_workbench(spot, held) for spot, held in found if held.size]
            if tail or not parts:
                parts.append(self._keep_tail(tail))
            made = self._put_together(target, parts)
        return self._compared(target, made, [held for _, held in parts])

    def _look(self, spots: Sequence[Spot]) -> list[tuple[Spot, Held]]:
        different = [*dict.fromkeys(spots)]
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            seen = dict(zip(different, pool.map(self._objects.look, different), strict=True))
        return [(spot, seen[spot]) for spot in spots]

    def _at_the_workbench(self, spot: Spot, held: Held) -> tuple[Spot, Held]:
        if spot.bucket == self._layout.workbench:
            return spot, held
        here = self._temporary()
        return here, self._objects.rewrite(here, spot, held, self._writer)

    def _keep_tail(self, tail: bytes) -> tuple[Spot, Held]:
        spot = self._temporary()
        return spot, self._made(spot, lambda: self._put_tail(spot, tail))

    def _put_tail(self, spot: Spot, tail: bytes) -> Held:
        return self._objects.put(spot, tail, extended(0, tail), self._writer, ABSENT)

    def _put_together(self, target: Spot, parts: Sequence[tuple[Spot, Held]]) -> Held:
        if target.bucket == self._layout.workbench and self._objects.kms_key is None:
            return self._composed(target, parts)
        whole, held = parts[0] if len(parts) == 1 else self._composed_aside(parts)
        return self._made(target, lambda: self._objects.rewrite(target, whole, held, self._writer))

    def _composed_aside(self, parts: Sequence[tuple[Spot, Held]]) -> tuple[Spot, Held]:
        spot = self._temporary()
        return spot, self._composed(spot, parts)

    def _composed(self, target: Spot, parts: Sequence[tuple[Spot, Held]]) -> Held:
        known = {spot.name: held for spot, held in parts}
        steps = plan_composes([spot.name for spot, _ in parts], target.name, lambda _: self._temporary().name)
        for step in steps:
            known[step.target] = self._compose(replace(target, name=step.target), step, known)
        return known[target.name]

    def _compose(self, spot: Spot, step: Compose, known: dict[str, Held]) -> Held:
        sources = [(replace(spot, name=name), known[name]) for name in step.sources]
        try:
            return self._made(spot, lambda: self._objects.compose(spot, sources, self._writer))
        except ObjectNotFound as error:
            raise self._missing(sources, error) from error

    def _missing(self, sources: Sequence[tuple[Spot, Held]], error: ObjectNotFound) -> ObjectNotFound:
        """Name the source that went away: the store names none."""
        for spot, held in sources:
            found = self._objects.find(spot)
            if found is None or found.generation != held.generation:
                return ObjectNotFound(f"{spot.url} was deleted or replaced while it was being joined: run again")
        return error

    def _made(self, spot: Spot, make: Callable[[], Held]) -> Held:
        """Make an object; when the name is taken it may be by an earlier try, whose answer was lost."""
        try:
            return make()
        except ObjectChanged as error:
            return self._objects.claim(spot, self._writer, error)

    def _compared(self, target: Spot, made: Held, parts: Sequence[Held]) -> Held:
        """Compare what is there with what its parts say it must be; remove it if it is not that."""
        if any(part.crc32c is None for part in parts):
            raise DamagedArchive(f"{target.url}: a source has no crc32c to compare the whole with")
        checksum = joined((part.crc32c or 0, part.size) for part in parts)
        return self._objects.checked(target, made, sum(part.size for part in parts), checksum)

    def _temporary(self) -> Spot:
        spot = self._layout.spot(f"{self._folder}{len(self._temporaries):05d}")
        self._temporaries.append(spot)
        return spot

    @contextmanager
    def _tidied(self) -> Iterator[None]:
        """Remove what was only needed in between, whatever comes."""
        try:
            yield
        finally:
            try:
                delete_all(self._objects, self._temporaries)
            except (StoreUnavailable, StoreDenied) as error:
                _log.warning("%s: what joining left below it stays until its run is swept: %s", self._folder, error)


def _folder_for(sources: Sequence[str], writer: str) -> str:
    """Give the folder of what comes in between: below the sources' own, which is swept with its run."""
    staged = next((source for source in sources if source.startswith(STAGING)), STAGING)
    folder = f"{staged.rpartition('/')[0]}/join-{writer}-"
    return folder if len(folder) < _LONGEST_FOLDER else f"{STAGING}join-{writer}-"


_LONGEST_FOLDER = 800
