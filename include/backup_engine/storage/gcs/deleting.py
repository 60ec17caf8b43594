"""Deleting what is seen, and nothing that came after."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from backup_engine.errors import ObjectChanged, ObjectNotFound, StoreDenied, StoreUnavailable
from backup_engine.storage.gcs.objects import Objects
from backup_engine.storage.gcs.patience import Trying
from backup_engine.storage.layout import Spot

SIDE_BY_SIDE = 8
"""Deletions that are under way at once. Google's batch requests save connections, not time, and fail in parts."""


def delete_all(objects: Objects, spots: Iterable[Spot]) -> None:
    """Delete all that is there, several at once; what is missing is fine.

    :raises StoreDenied: some may not be deleted; the others are gone all the same
    :raises BackupError: the store does not answer as it should; others may be gone
    """
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        # An error that leaves a call here would have the pool forget the calls that still wait.
        refused = [error for error in pool.map(lambda spot: _refusal(objects, spot), dict.fromkeys(spots)) if error]
    if refused:
        raise refused[0]


def _refusal(objects: Objects, spot: Spot) -> StoreDenied | None:
    """Delete one object; give the error if that is not allowed."""
    try:
        _delete(objects, spot)
    except StoreDenied as error:
        return error
    return None


def _delete(objects: Objects, spot: Spot) -> None:
    """Delete one object by its generation.

    A request whose answer was lost may have deleted it: whatever has another generation then was written after, and
    is not ours to delete.
    """
    trying, unsure = Trying(objects.patience), None
    while True:
        found = objects.find(spot)
        if found is None or (unsure is not None and found.generation != unsure):
            return
        try:
            objects.delete(spot, found.generation)
        except ObjectNotFound:
            return
        except ObjectChanged:
            trying.pause(
                StoreUnavailable(f"{spot.url} was replaced each time it was to be deleted: stop who writes it")
            )
        except StoreUnavailable as error:
            unsure = found.generation
            trying.pause(error)
        else:
            return
