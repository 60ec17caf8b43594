"""Deleting in batches: S3 answers for each key by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from backup_engine.errors import BackupError, StoreUnavailable
from backup_engine.storage.layout import Spot
from backup_engine.storage.s3.objects import Objects
from backup_engine.storage.s3.refusals import deletion_refused

BATCH = 1_000
"""Keys of one request (Amazon S3, DeleteObjects)."""
TRIES = 5
"""How often keys are tried that the server was too busy for; the pauses between grow from half a second to four."""


def delete_all(objects: Objects, spots: Iterable[Spot], sleep: Callable[[float], object] = time.sleep) -> None:
    """Delete the objects; what is missing is fine.

    :raises StoreDenied: some may not be deleted; the others are gone all the same
    """
    refused = []
    for batch in _batches(dict.fromkeys(spots)):
        refused += _delete(objects, batch, sleep)
    if refused:
        raise refused[0]


def _batches(spots: Iterable[Spot]) -> Iterable[Sequence[Spot]]:
    by_bucket: dict[str, list[Spot]] = {}
    for spot in spots:
        by_bucket.setdefault(spot.bucket, []).append(spot)
    for among in by_bucket.values():
        yield from (among[at : at + BATCH] for at in range(0, len(among), BATCH))


def _delete(objects: Objects, batch: Sequence[Spot], sleep: Callable[[float], object]) -> list[BackupError]:
    """Delete a batch, again what the server was too busy for; give what it refuses."""
    refused: list[BackupError] = []
    for number in range(TRIES):
        failed = _request(objects, batch)
        refused += [error for error in failed.values() if not isinstance(error, StoreUnavailable)]
        batch = [spot for spot, error in failed.items() if isinstance(error, StoreUnavailable)]
        if not batch:
            return refused
        if number + 1 < TRIES:
            sleep(0.5 * 2**number)
    return [*refused, failed[batch[0]]]


def _request(objects: Objects, batch: Sequence[Spot]) -> dict[Spot, BackupError]:
    """Ask once; give the error of each that was not deleted."""
    with objects.told(batch[0]):
        answer = objects.client.delete_objects(
            Bucket=batch[0].bucket, Delete={"Objects": [{"Key": spot.name} for spot in batch], "Quiet": True}
        )
    named = {spot.name: spot for spot in batch}
    failed = [one for one in answer.get("Errors", []) if one.get("Code") not in {"NoSuchKey", "404"}]
    return {
        named[one["Key"]]: deletion_refused(named[one["Key"]].url, one.get("Code", ""), one.get("Message", ""))
        for one in failed
    }
