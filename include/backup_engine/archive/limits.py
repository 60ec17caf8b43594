"""What an honest archive never exceeds. Whatever does is refused before anything of it is decoded.

The archive may come from anywhere: its names, sizes, offsets, counts and nesting are claims, compared here with each
other, with the size of the file, and with what this product writes at most. The writer keeps to the same limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from backup_engine.archive.canonical import depth_exceeds
from backup_engine.archive.entries import END, member_size
from backup_engine.archive.manifest import (
    BackupKind,
    Base,
    Clear,
    CollectionSummary,
    Content,
    Entry,
    Manifest,
    Sidecar,
    Standing,
    StoredEntry,
)
from backup_engine.errors import DamagedArchive, HostileArchive
from backup_engine.wording import count, listing, size

README_NAME = "README.txt"
MANIFEST_NAME = "manifest.json"

MANIFEST_BYTES = 32 << 20
"""Largest manifest.json; a sidecar, which repeats every entry, may be twice as large."""
MANIFEST_DEPTH = 64
MANIFEST_WIDTH = 4_000_000
"""Brackets and commas in a manifest or sidecar, whatever their nesting: what bounds the memory it takes."""
CONFIGURATION_BYTES = 8 << 20
README_BYTES = 64 << 10
ENTRIES = 200_000
COLLECTIONS = 100_000
DIMENSION = 1 << 20
PART_ROWS = 65_536
"""Records a part holds at most."""
PART_BYTES = 32 << 20
"""Decoded bytes a part holds at most, unless it is a single record."""
RECORD_BYTES = 256 << 20
"""Decoded size of the largest single record; the server itself takes no bodies above 100 MiB."""
DIGESTS_SLACK = 64 << 10

_PER_DELETED = (4 << 10) + 64  # a hash, an id as long as any that is written out, and what Parquet adds
_PER_DIGEST = 40  # 32 bytes a row, and what Parquet adds
_PART_SLACK = 12 << 20  # codes beside the floats they stand for, Parquet's own lengths and levels
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_KEY = re.compile(r"c[0-9]{4,6}\Z")
_NAME = re.compile(r"backup-[0-9-]{1,40}\Z")
_ENTRY = re.compile(
    r"(?P<folder>collections/(?P<key>c[0-9]{4,6})(?:-[a-z0-9][a-z0-9-]{0,39})?)/"
    r"(?P<file>config\.json|deleted\.parquet|digests\.parquet|part-[0-9]{5,6}\.parquet)\Z"
)


def check_json(raw: bytes, what: str, *, most: int) -> None:
    """Bound the size, the depth and the width of a JSON document before it is parsed.

    :raises HostileArchive: one of them is beyond what this product writes
    """
    if len(raw) > most:
        raise HostileArchive(f"{what} has {size(len(raw))}; at most {size(most)} were expected")
    width = sum(raw.count(mark) for mark in (b",", b"[", b"{"))
    if width > MANIFEST_WIDTH:
        raise HostileArchive(f"{what} holds {width:,} values; at most {MANIFEST_WIDTH:,} were expected")
    if depth_exceeds(raw.decode("utf-8", "replace"), MANIFEST_DEPTH):
        raise HostileArchive(f"{what} is nested deeper than {MANIFEST_DEPTH} levels")


def check_sidecar(sidecar: Sidecar, archive_bytes: int, archive: str) -> None:
    """Compare everything that a sidecar claims with itself and with the size of the archive.

    :param archive_bytes: what the store or the file system says
    :param archive: its name, for messages
    :raises HostileArchive: names, sizes, offsets or counts that no honest archive has
    :raises DamagedArchive: truncated, or the sidecar of another archive
    """
    check_manifest(sidecar.manifest, archive)
    stored = sidecar.archive.entries
    _check_names(stored, sidecar.manifest, archive)
    _check_places(stored, archive)
    _check_sizes(stored, sidecar.manifest, archive)
    end = (stored[-1].offset + stored[-1].bytes if stored else 0) + len(END)
    if end != sidecar.archive.bytes:
        raise HostileArchive(f"{archive}: its entries end at {end:,}, but {sidecar.archive.bytes:,} bytes are listed")
    if archive_bytes != end:
        raise DamagedArchive(
            f"{archive} has {archive_bytes:,} bytes, {end:,} were expected: truncated, or another backup's archive"
        )


def check_manifest(manifest: Manifest, archive: str) -> None:
    """Compare everything that a manifest claims with itself.

    :raises HostileArchive: counts, dimensions, keys or names that no honest archive has
    """
    collections = manifest.clear.collections
    if len(collections) > COLLECTIONS:
        raise HostileArchive(f"{archive} lists {len(collections):,} collections; at most {COLLECTIONS:,} were expected")
    keys = [collection.key for collection in collections]
    if len(set(keys)) != len(keys) or not all(map(_KEY.match, keys)):
        raise HostileArchive(f"{archive}: collection keys like c0001, each once, were expected, not {listing(keys)}")
    if sorted(item.key for item in manifest.private.collections) != sorted(keys):
        raise HostileArchive(f"{archive}: the two parts of its manifest list different collections")
    names = [item.name for item in manifest.private.collections]
    if len(set(names)) != len(names):
        raise HostileArchive(f"{archive}: its manifest lists a collection name twice")
    for collection in collections:
        _check_collection(collection, manifest.clear, f"{archive}: collection {collection.key}")


def is_part(name: str) -> bool:
    """Tell whether the entry of this name is a part."""
    found = _ENTRY.match(name)
    return found is not None and found["file"].startswith("part-")


def is_digests(name: str) -> bool:
    """Tell whether the entry of this name is a collection's digests."""
    return name.endswith("/digests.parquet")


def is_deleted(name: str) -> bool:
    """Tell whether the entry of this name is the list of what a delta takes away."""
    return name.endswith("/deleted.parquet")


def is_configuration(name: str) -> bool:
    """Tell whether the entry of this name is a collection's configuration."""
    return name.endswith("/config.json")


def part_limit(rows: int) -> int:
    """Bytes that a part of so many records may take, decoded."""
    return _PART_SLACK + (RECORD_BYTES if rows == 1 else PART_BYTES)


def content_limit(name: str, vectors: int = 0, deletions: int = 0) -> int:
    """Bytes that the entry of this name may have.

    :param vectors: records of its collection, which is what digests grow with
    :param deletions: records that are gone, which is what their list grows with
    """
    if is_digests(name):
        return DIGESTS_SLACK + vectors * _PER_DIGEST
    if is_deleted(name):
        return DIGESTS_SLACK + deletions * _PER_DELETED
    if is_part(name):
        return RECORD_BYTES + _PART_SLACK
    return {README_NAME: README_BYTES, MANIFEST_NAME: MANIFEST_BYTES}.get(name, CONFIGURATION_BYTES)


def _check_collection(collection: CollectionSummary, clear: Clear, where: str) -> None:
    if not 0 <= collection.dimension <= DIMENSION or collection.vectors < 0:
        raise HostileArchive(
            f"{where} claims {collection.vectors:,} vectors of {collection.dimension:,} dimensions; 0 or more vectors "
            f"of at most {DIMENSION:,} dimensions were expected"
        )
    found = [_ENTRY.match(entry.name) for entry in collection.entries]
    folder = collection.entries[0].name.rpartition("/")[0] if collection.entries else ""
    wrong = [
        entry.name
        for entry, match in zip(collection.entries, found, strict=True)
        if not match or match["key"] != collection.key or match["folder"] != folder
    ]
    if wrong:
        raise HostileArchive(f"{where} lists an entry that is not one of its files: {wrong[0][:200]!r}")
    _check_files(collection, [match["file"] for match in found if match], where)
    _check_content(collection, clear, where)
    _check_entries(collection, where)


def _check_files(collection: CollectionSummary, files: list[str], where: str) -> None:
    """Expect config.json, parts and digests.parquet, of a delta a list of what is gone, and of a pointer nothing."""
    same = collection.content is Content.SAME
    if not files and (same or collection.standing is Standing.UNREADABLE):
        return
    ends = ["deleted.parquet", "digests.parquet"] if collection.content is Content.DELTA else ["digests.parquet"]
    parts = max(0, len(files) - 1 - len(ends))
    if same or files != ["config.json", *(f"part-{number:05d}.parquet" for number in range(parts)), *ends]:
        expected = "no file" if same else ", ".join(["config.json, parts in order", *ends[:-1]]) + f" and {ends[-1]}"
        raise HostileArchive(f"{where}: {expected} were expected, not {listing(files) or 'nothing'}")
    if not parts <= collection.stored <= parts * PART_ROWS:
        held = count(parts, "part")
        raise HostileArchive(f"{where} claims {collection.stored:,} vectors in {held} of up to {PART_ROWS:,}")


def _check_content(collection: CollectionSummary, clear: Clear, where: str) -> None:
    """Exactly what does not lie here whole says where the rest is, and only a delta changes anything of it."""
    content, base = collection.content, collection.base
    if (base is None) is not (content is Content.WHOLE):
        raise HostileArchive(f"{where} is {content.value} and names {'no' if base is None else 'a'} base")
    if content is not Content.WHOLE and (
        clear.kind is not BackupKind.INCREMENTAL or collection.standing is Standing.UNREADABLE
    ):
        raise HostileArchive(f"{where} is {content.value} in a {clear.kind.value} and {collection.standing.value}")
    if {Content.WHOLE: collection.number != 0, Content.DELTA: collection.number == 0}.get(content):
        raise HostileArchive(f"{where} is {content.value} and the delta number {collection.number:,}")
    if content is not Content.DELTA and (collection.upserts or collection.deletions):
        raise HostileArchive(f"{where} is {content.value} and claims changes")
    if collection.upserts > collection.vectors:
        raise HostileArchive(f"{where} claims {collection.upserts:,} upserts in a state of {collection.vectors:,}")
    if base is not None:
        _check_base(base, collection, clear, where)


def _check_base(base: Base, collection: CollectionSummary, clear: Clear, where: str) -> None:
    if not _NAME.match(base.name) or not _KEY.match(base.key) or not _SHA256.match(base.state_digest):
        named = f"{base.name[:200]!r}, {base.key[:200]!r}, {base.state_digest[:200]!r}"
        raise HostileArchive(f"{where} names a base as no backup is named: {named}")
    if base.name == clear.name:
        raise HostileArchive(f"{where} names its own backup as its base")
    same = collection.content is Content.SAME
    if same and (collection.state_digest, collection.coded_parts) != (base.state_digest, 0):
        raise HostileArchive(f"{where} is the same as its base and has another state, or parts")


def _check_entries(collection: CollectionSummary, where: str) -> None:
    for entry in collection.entries:
        limit = content_limit(entry.name, collection.vectors, collection.deletions)
        if entry.bytes > limit:
            raise HostileArchive(
                f"{where}: {entry.name} claims {size(entry.bytes)}; at most {size(limit)} were expected"
            )
        least = _least(entry.name, collection)
        if entry.bytes < least:
            raise HostileArchive(
                f"{where}: {entry.name} claims {size(entry.bytes)}; at least {size(least)} were expected"
            )
        if not _SHA256.match(entry.sha256):
            raise HostileArchive(f"{where}: {entry.name} is listed with a SHA-256 that is none")


def _least(name: str, collection: CollectionSummary) -> int:
    """Bytes that a delta's hashes alone take: what bounds the records that it claims beyond those in its parts."""
    if collection.content is not Content.DELTA:
        return 0
    if is_digests(name):
        return 32 * collection.vectors
    return 16 * collection.deletions if is_deleted(name) else 0


def _check_names(stored: tuple[StoredEntry, ...], manifest: Manifest, archive: str) -> None:
    if len(stored) > ENTRIES:
        raise HostileArchive(f"{archive} lists {len(stored):,} entries; at most {ENTRIES:,} were expected")
    expected = [*(entry.name for entry in listed_entries(manifest)), README_NAME, MANIFEST_NAME]
    found = [entry.name for entry in stored]
    if len(set(found)) != len(found):
        raise HostileArchive(f"{archive} lists an entry twice")
    if odd := sorted(set(found) - set(expected)):
        names = listing(repr(name[:200]) for name in odd)
        raise HostileArchive(f"{archive} holds entries that its manifest does not list: {names}")
    if missing := sorted(set(expected) - set(found)):
        raise DamagedArchive(f"{archive} lacks entries that its manifest lists: {listing(missing)}")
    rank = {entry.name: rank for rank, item in enumerate(manifest.clear.collections) for entry in item.entries}
    rank |= {README_NAME: COLLECTIONS, MANIFEST_NAME: COLLECTIONS + 1}
    if sorted(found[:-2], key=rank.__getitem__) + found[-2:] != expected:
        raise DamagedArchive(
            f"{archive}: the entries of a collection were swapped, or its manifest is not the last one"
        )


def _check_places(stored: tuple[StoredEntry, ...], archive: str) -> None:
    position = 0
    for entry in stored:
        if entry.offset != position:
            raise HostileArchive(
                f"{archive}: {entry.name} is listed at {entry.offset:,}; entries lie end to end, so at {position:,} "
                "was expected"
            )
        if not _SHA256.match(entry.sha256):
            raise HostileArchive(f"{archive}: {entry.name} is stored with a SHA-256 that is none")
        position += entry.bytes


def _check_sizes(stored: tuple[StoredEntry, ...], manifest: Manifest, archive: str) -> None:
    listed = {entry.name: entry.bytes for entry in listed_entries(manifest)}
    for entry in stored:
        content = listed.get(entry.name)
        if content is not None and entry.bytes != member_size(content):
            raise HostileArchive(
                f"{archive}: {entry.name} of {content:,} bytes is stored in {entry.bytes:,}; {member_size(content):,} "
                "were expected"
            )
        if content is None and entry.bytes > member_size(content_limit(entry.name)):
            raise HostileArchive(f"{archive}: {entry.name} takes {size(entry.bytes)}, more than it ever needs")


def listed_entries(manifest: Manifest) -> Iterator[Entry]:
    """All entries of all collections, in the manifest's order."""
    for collection in manifest.clear.collections:
        yield from collection.entries
