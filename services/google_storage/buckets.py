"""Buckets and the objects in them: what is there, which generation it is, and what protects it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock
from typing import Any

from services.google_storage.content import Content
from services.google_storage.errors import ApiError, condition_not_met, forbidden, no_bucket, no_object

Resource = dict[str, Any]


@dataclass(frozen=True)
class StoredObject:
    """One generation of one object."""

    bucket: str
    name: str
    generation: int
    content: Content
    created: str
    metadata: Mapping[str, str] | None = None
    kms_key: str | None = None
    components: int | None = None
    held: bool = False

    def resource(self) -> Resource:
        """Describe it as the API does."""
        found: Resource = {
            "kind": "storage#object",
            "id": f"{self.bucket}/{self.name}/{self.generation}",
            "name": self.name,
            "bucket": self.bucket,
            "generation": str(self.generation),
            "metageneration": "1",
            "contentType": "application/octet-stream",
            "storageClass": "STANDARD",
            "size": str(self.content.size),
            "crc32c": self.content.crc32c,
            "etag": f"CJ{self.generation}",
            "timeCreated": self.created,
            "updated": self.created,
        }
        optional = {"metadata": self.metadata, "kmsKeyName": self.kms_key, "componentCount": self.components}
        return {**found, **{name: value for name, value in optional.items() if value is not None}}


@dataclass(frozen=True)
class Conditions:
    """Preconditions of one request; only what is given has to hold."""

    match: int | None = None
    not_match: int | None = None

    def check(self, current: StoredObject | None) -> None:
        """Refuse unless they hold."""
        generation = current.generation if current else 0
        if self.match is not None and self.match != generation:
            raise condition_not_met()
        if self.not_match is not None and self.not_match == generation:
            raise condition_not_met()


@dataclass
class Bucket:
    """One bucket."""

    name: str
    settings: Resource
    live: dict[str, StoredObject] = field(default_factory=dict)
    older: dict[tuple[str, int], StoredObject] = field(default_factory=dict)

    def resource(self) -> Resource:
        """Describe it as the API does."""
        found = {"kind": "storage#bucket", "id": self.name, "name": self.name, "location": "US", "metageneration": "1"}
        return {**found, "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}, **self.settings}

    @property
    def retains(self) -> bool:
        """Whether a retention policy forbids to delete and to overwrite (here: for ever)."""
        return "retentionPolicy" in self.settings


class Buckets:
    """All of them, behind one lock: every change is seen by whoever asks after it."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._buckets: dict[str, Bucket] = {}
        self._clock = clock
        self._generation = 0
        self._lock = RLock()

    def make(self, settings: Resource) -> Bucket:
        """Make a bucket."""
        with self._lock:
            if settings["name"] in self._buckets:
                raise ApiError(409, "conflict", "Your previous request to create the named bucket succeeded.")
            made = self._buckets[settings["name"]] = Bucket(settings["name"], settings)
            return made

    def bucket(self, name: str) -> Bucket:
        """Give a bucket."""
        with self._lock:
            if name not in self._buckets:
                raise no_bucket()
            return self._buckets[name]

    def remove(self, name: str) -> None:
        """Remove a bucket, whatever is in it: tests do not tidy up first."""
        with self._lock:
            self.bucket(name)
            del self._buckets[name]

    def find(self, bucket: str, name: str, generation: int | None = None) -> StoredObject:
        """Give an object: the live one, or one generation of it."""
        with self._lock:
            place = self.bucket(bucket)
            found = place.live.get(name)
            if generation is not None and (found is None or found.generation != generation):
                found = place.older.get((name, generation))
            if found is None:
                raise no_object(bucket, name)
            return found

    def names(self, bucket: str, prefix: str, after: str, limit: int) -> tuple[list[StoredObject], bool]:
        """Give one page of a listing, and whether there is more."""
        with self._lock:
            live = self.bucket(bucket).live
            names = sorted(name for name in live if name.startswith(prefix) and name > after)
            return [live[name] for name in names[:limit]], len(names) > limit

    def exists(self, bucket: str, name: str) -> bool:
        """Tell whether a live object has this name."""
        with self._lock:
            return name in self.bucket(bucket).live

    def put(self, bucket: str, name: str, content: Content, conditions: Conditions, **more: Any) -> StoredObject:  # noqa: ANN401
        """Make a new generation live, if the conditions hold at this moment."""
        with self._lock:
            place = self.bucket(bucket)
            before = place.live.get(name)
            conditions.check(before)
            if before is not None:
                self._retire(place, before)
            self._generation = max(self._generation + 1, time.time_ns() // 1000)
            made = StoredObject(bucket, name, self._generation, content, _text(self._clock()), **more)
            place.live[name] = made
            return made

    def delete(self, bucket: str, name: str, generation: int | None, conditions: Conditions) -> None:
        """Remove the live object, or one generation, if the conditions hold at this moment."""
        with self._lock:
            found = self.find(bucket, name, generation)
            conditions.check(found)
            self._retire(self.bucket(bucket), found)
            self.bucket(bucket).live.pop(name, None)

    def hold(self, bucket: str, name: str) -> None:
        """Put a temporary hold on the live object."""
        with self._lock:
            found = self.find(bucket, name)
            self.bucket(bucket).live[name] = StoredObject(**{**vars(found), "held": True})

    def _retire(self, place: Bucket, found: StoredObject) -> None:
        if place.retains:
            raise forbidden(
                f"Object '{place.name}/{found.name}' is subject to bucket's retention policy or object retention and "
                "cannot be deleted or overwritten until 2036-11-22T00:00:00.000Z",
                "retentionPolicyNotMet",
            )
        if found.held:
            raise forbidden(
                f"Object '{place.name}/{found.name}' is under active Temporary hold and cannot be deleted, "
                "overwritten or archived until hold is removed.",
                "objectUnderActiveHold",
            )
        if place.settings.get("versioning", {}).get("enabled"):
            place.older[found.name, found.generation] = found


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
