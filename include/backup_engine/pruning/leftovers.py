"""What dead prunings, captures and copies leave in a store, told from listings. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from backup_engine.storage.contract import ListedObject

_STEM = re.compile(r"(?P<stem>[^/]+/[^/]+?)(?:\.tar\.gz|\.json|\.records(?:/[^/]+)?)\Z")
_WITHDRAWAL = re.compile(r"[^/]+/[^/]+\.records/withdrawal-[^/]+\Z")


@dataclass(frozen=True, slots=True)
class Remains:
    """Objects that belong together by their name.

    :param stem: folder and name
    :param archive: its key; None: there is none
    :param manifest: likewise
    """

    stem: str
    archive: str | None
    manifest: str | None
    records: tuple[str, ...]
    withdrawals: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the backup that it is, or was."""
        return self.stem.partition("/")[2]

    @property
    def keys(self) -> tuple[str, ...]:
        """All of it."""
        return (*filter(None, (self.archive, self.manifest)), *self.records, *self.withdrawals)


def stem_of(key: str) -> str:
    """Tell folder and name from the key of an archive, a manifest or a record; any other key as it is."""
    match = _STEM.match(key)
    return match["stem"] if match else key


def remains(listed: Iterable[str]) -> Iterator[Remains]:
    """Sort what lies where backups lie by name."""
    found: dict[str, list[str]] = {}
    for key in listed:
        found.setdefault(stem_of(key), []).append(key)
    for stem, keys in found.items():
        beside = [key for key in keys if key.startswith(f"{stem}.records/")]
        yield Remains(
            stem=stem,
            archive=f"{stem}.tar.gz" if f"{stem}.tar.gz" in keys else None,
            manifest=f"{stem}.json" if f"{stem}.json" in keys else None,
            records=tuple(key for key in beside if not _WITHDRAWAL.match(key)),
            withdrawals=tuple(key for key in beside if _WITHDRAWAL.match(key)),
        )


def unfinished(listed: Mapping[str, ListedObject]) -> Iterator[Remains]:
    """Give what prunings that died have left: a withdrawal, and no manifest any more."""
    return (one for one in remains(listed) if one.withdrawals and one.manifest is None)
