"""Increments against what a user would run instead: restic over the guide's file, and a full read."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import requests

from backup_engine.catalog import Catalog
from backup_engine.chain import by_name, chain_of
from backup_engine.model import system_clock
from bench.guide import fetch_backup
from bench.live import drop
from bench.measurement import Depth, Increments, Step, measured
from bench.parameters import COLLECTION, restored_name
from bench.serving.answers import ASKED, CHANGES
from bench.serving.arrangement import Change
from bench.steps import Place, whole_scope

RESTIC = shutil.which("restic")
DEEPEST = 127
"""The most set bits a number below 144 has: of the increments that ten minutes give a day, this one hangs on most."""

_SECONDS = 600
_SHARES = ((1.0, 0.0, 0.0), (1.0, 1.0, 0.5))
_NAMES = ("1 % changed, scattered", "2.5 % changed, scattered (1 updated, 1 added, 0.5 deleted)")
_APPENDED = (1.0, 2.5)


def changes(vectors: int) -> Iterator[tuple[str, Change]]:
    """Name what is written between two backups."""
    for name, shares in zip(_NAMES, _SHARES, strict=True):
        updates, additions, deletions = (round(vectors * share / 100) for share in shares)
        yield name, Change(updates=updates, additions=additions, deletions=deletions, seed=1)
    for share in _APPENDED:
        yield f"{share:g} % appended", Change(additions=round(vectors * share / 100), seed=1)


def after_a_change(url: str, folder: str, name: str, change: Change) -> Increments:
    """Measure one kind of change: a full, the change, an increment of it, another one of nothing."""
    full = measured(Step.FULL, url, folder, COLLECTION)
    restic = _Restic(url, Path(folder)) if RESTIC else None
    if restic:
        restic.added()
    write(url, change)
    added = restic.added() if restic else None
    increment = measured(Step.INCREMENT, url, folder, COLLECTION)
    before = asked(url)
    measured(Step.INCREMENT, url, folder, COLLECTION)
    after = asked(url)
    scattered = change.updates + change.deletions > 0
    return Increments(
        change=name,
        scattered=scattered,
        full=full,
        increment=increment,
        restic=added,
        unchanged=after[0] - before[0],
        pages=after[1] - before[1],
    )


def depth(url: str, folder: str, vectors: int) -> Depth:
    """Make as many increments as the deepest chain of a day takes, each after a thousandth changed, and restore it."""
    place = Place(url, Path(folder))
    measured(Step.FULL, url, folder, COLLECTION)
    for number in range(1, DEEPEST + 1):
        write(url, Change(updates=max(1, vectors // 1000), seed=number))
        whole_scope(place, incremental=True)
    chain = measured(Step.RESTORE, url, folder, COLLECTION)
    drop(place.server(), restored_name(COLLECTION))
    backups = Catalog(place.store(), system_clock).backups()
    links = len(chain_of(backups[0], backups[0].manifest.clear.collections[0].key, by_name(backups)))
    whole_scope(place, incremental=False)
    return Depth(links=links, chain=chain, full=measured(Step.RESTORE, url, folder, COLLECTION))


def write(url: str, change: Change) -> None:
    """Change what the server lists."""
    requests.post(url + CHANGES, data=change.model_dump_json(), timeout=_SECONDS).raise_for_status()


def asked(url: str) -> tuple[int, int]:
    """Tell how many requests the server got so far, and how many of them asked for records."""
    every, pages = requests.get(url + ASKED, timeout=_SECONDS).json()
    return every, pages


class _Restic:
    """A repository that keeps the guide's file."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._file = folder / "restic" / "backup.json"
        self._environment = {**os.environ, "RESTIC_PASSWORD": "bench", "RESTIC_REPOSITORY": str(folder / "repository")}
        self._run("init")

    def added(self) -> int:
        """Keep the collection as it is now; tell how many bytes the repository grew."""
        fetch_backup(self._url, COLLECTION, self._file)
        before = self._size()
        self._run("backup", str(self._file))
        self._file.unlink()
        return self._size() - before

    def _size(self) -> int:
        repository = Path(self._environment["RESTIC_REPOSITORY"])
        return sum(file.stat().st_size for file in repository.rglob("*") if file.is_file())

    def _run(self, *arguments: str) -> None:
        assert RESTIC is not None  # noqa: S101
        command = [RESTIC, "--quiet", "--no-cache", *arguments]
        subprocess.run(command, check=True, env=self._environment, timeout=_SECONDS)  # noqa: S603
