"""A store with thousands of backups, as hourly incrementals leave them: what lists, plans and shows is measured on."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from backup_engine.archive.manifest import (
    ArchiveFacts,
    BackupKind,
    BackupState,
    Base,
    Clear,
    CollectionSummary,
    Content,
    Entry,
    Folder,
    Manifest,
    Private,
    PrivateCollection,
    ServerVersion,
    Sidecar,
    Standing,
    archive_key,
    records_prefix,
    sidecar_key,
)
from backup_engine.model import CollectionConfiguration, Hnsw, Metric, Quantization
from backup_engine.records import Copied, Record, Verification, VerificationLevel, record_key

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

COLLECTIONS = 4
NEWEST = datetime(2026, 11, 22, 2, tzinfo=UTC)
STORE_ID, DEPLOYMENT = "bench-store", "bench"
ARCHIVE = b"an archive of a few bytes: nobody opens it"

_DAY = 24
_CONFIGURATION = CollectionConfiguration(
    dimension=384, metric=Metric.COSINE, quantization=Quantization.SQ8, hnsw=Hnsw()
)
_AT_ONCE = 16
_BYTES = {"digests.parquet": 1_600_100}  # 32 for each record at least


def objects(number: int) -> Iterator[tuple[str, bytes]]:
    """Give every object of so many backups: a full each day, incrementals of it each hour; every one was verified and
    every second one copied.
    """
    first = NEWEST - timedelta(hours=number - 1)
    for hour in range(number):
        yield from _backup(first + timedelta(hours=hour), hour)


def fill(client: "S3Client", bucket: str, prefix: str, number: int) -> int:
    """Write all of them, and tell how many objects those are."""
    every = objects(number)
    written = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while batch := [*islice(every, 1000)]:
            written += len([
                *pool.map(lambda one: client.put_object(Bucket=bucket, Key=prefix + one[0], Body=one[1]), batch)
            ])
    return written


def _backup(at: datetime, hour: int) -> Iterator[tuple[str, bytes]]:
    number = hour % _DAY
    folder, name = _folder(number), _name(at)
    sidecar = Sidecar(manifest=_manifest(at, number), archive=ArchiveFacts(bytes=len(ARCHIVE), entries=()))
    yield archive_key(folder, name), ARCHIVE
    yield sidecar_key(folder, name), sidecar.model_dump_json().encode()
    for record in _records(at, hour):
        yield record_key(records_prefix(folder, name), record), record.model_dump_json().encode()


def _folder(number: int) -> Folder:
    return Folder.INCREMENTAL if number else Folder.DAILY


def _name(at: datetime) -> str:
    return f"backup-{at:%Y%m%d-%H%M%S}"


def _manifest(at: datetime, number: int) -> Manifest:
    name = _name(at)
    keys = [f"c{one:04d}" for one in range(1, COLLECTIONS + 1)]
    return Manifest(
        clear=Clear(
            name=name,
            folder=_folder(number),
            kind=BackupKind.INCREMENTAL if number else BackupKind.FULL,
            state=BackupState.GOOD,
            deployment=DEPLOYMENT,
            store_id=STORE_ID,
            run_key=f"run-{name}",
            whole_scope=True,
            started_at=at - timedelta(minutes=1),
            captured_at=at,
            product_version="0.1.0",
            server=ServerVersion(version="3.3.0", started_at=None),
            restore_fencing=0,
            collections=tuple(_summary(key, at, number) for key in keys),
        ),
        private=Private(
            label=None,
            server_url="http://localhost:15002",
            collections=tuple(
                PrivateCollection(key=key, name=f"collection-{key}", configuration=_CONFIGURATION) for key in keys
            ),
        ),
    )


def _summary(key: str, at: datetime, number: int) -> CollectionSummary:
    files = ["config.json", "part-00000.parquet", *(["deleted.parquet"] if number else []), "digests.parquet"]
    return CollectionSummary(
        key=key,
        standing=Standing.WHOLE,
        content=Content.DELTA if number else Content.WHOLE,
        base=_base(key, at, number) if number else None,
        number=number,
        upserts=10 if number else 0,
        vectors=50_000,
        counted=50_000,
        dimension=384,
        created_at="2026-01-01T00:00:00Z",
        updated_at="2026-01-01T00:00:00Z",
        configuration_sha256="0" * 64,
        state_digest=_digest(key, at),
        entries=tuple(
            Entry(name=f"collections/{key}/{file}", bytes=_BYTES.get(file, 100), sha256="0" * 64) for file in files
        ),
    )


def _base(key: str, at: datetime, number: int) -> Base:
    """Give what a delta of this number hangs on, as captures choose it."""
    before = number & (number - 1)
    base = at - timedelta(hours=number - before)
    name = _name(base)
    return Base(folder=_folder(before), name=name, run_key=f"run-{name}", key=key, state_digest=_digest(key, base))


def _digest(key: str, at: datetime) -> str:
    return hashlib.sha256(f"{key} {at}".encode()).hexdigest()


def _records(at: datetime, number: int) -> Iterator[Record]:
    yield Verification(
        at=at + timedelta(minutes=1),
        token="bench",  # noqa: S106 - tells records apart, and opens nothing
        level=VerificationLevel.FULL,
        passed=True,
        entries=9,
        vectors=200_000,
        bytes=len(ARCHIVE),
        seconds=1.0,
        host="bench",
    )
    if number % 2:
        yield Copied(
            at=at + timedelta(minutes=2),
            token="bench",  # noqa: S106 - as above
            to="gs://elsewhere",
            store_id="elsewhere",
            bytes=len(ARCHIVE),
        )
