"""Open an archive that has lost its sidecar: walk its members, and let the manifest inside decide."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from backup_engine.archive.documents import parse_manifest
from backup_engine.archive.entries import (
    END,
    MEMBER_START,
    claimed_entry,
    member_size,
    unseal_unlisted,
    unwrap,
)
from backup_engine.archive.limits import ENTRIES, MANIFEST_BYTES, MANIFEST_NAME, check_sidecar
from backup_engine.archive.manifest import ArchiveFacts, Sidecar, StoredEntry
from backup_engine.archive.sources import ByteSource, read_range, tee
from backup_engine.errors import DamagedArchive, HostileArchive
from backup_engine.wording import size


def scan(source: ByteSource) -> Sidecar:
    """Describe an archive by reading it once, whole, in bounded memory.

    What is in the entries is not compared with the manifest yet: that happens whenever one of them is read.

    :raises DamagedArchive: truncated, damaged, or entries missing
    :raises HostileArchive: more in it, or something else, than its manifest lists
    :raises UnknownFormat: another product, or a newer one, wrote it
    """
    entries = tuple(_walk(source))
    if not entries or entries[-1].name != MANIFEST_NAME:
        raise DamagedArchive(f"{source.name} has no {MANIFEST_NAME} at its end: it was never finished, or is not whole")
    last = entries[-1]
    if last.bytes > member_size(MANIFEST_BYTES):
        raise HostileArchive(f"{source.name}: its {MANIFEST_NAME} takes {size(last.bytes)}, more than any honest one")
    raw = unseal_unlisted(read_range(source, last.offset, last.bytes), MANIFEST_NAME, source.name)
    manifest = parse_manifest(raw, f"{source.name}: {MANIFEST_NAME}")
    found = Sidecar(manifest=manifest, archive=ArchiveFacts(bytes=source.size, entries=entries))
    check_sidecar(found, source.size, source.name)
    return found


def _walk(source: ByteSource) -> Iterator[StoredEntry]:
    position = 0
    for _ in range(ENTRIES):
        left = source.size - position
        if left <= len(END):
            break
        name, content = claimed_entry(read_range(source, position, min(MEMBER_START, left)), source.name)
        taken = member_size(content)
        if taken > left:
            raise DamagedArchive(f"{source.name} is truncated: {name} needs {taken:,} bytes, {left:,} are left")
        hasher = hashlib.sha256()
        for _ in unwrap(tee(source.read(position, taken), hasher), content, f"{source.name}: {name}"):
            pass
        yield StoredEntry(name=name, offset=position, bytes=taken, sha256=hasher.hexdigest())
        position += taken
    if read_range(source, position, min(len(END), source.size - position)) != END or position + len(END) != source.size:
        raise DamagedArchive(f"{source.name} does not end where its entries do: truncated, or something was appended")
