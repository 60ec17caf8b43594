"""The sandbox's files: one archive of all collections, replaced atomically, and what lies beside it."""

import io
import json
import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from sandbox.collection import Page
from sandbox.settings import Settings

ARCHIVE = "vectorizer.vecdb"


@dataclass(frozen=True)
class Saved:
    """One collection as it lies in the archive."""

    name: str
    settings: Settings
    page: Page


class Disk:
    """The data directory; nothing in it changes but whole files at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def save(self, collections: Iterable[Saved]) -> None:
        """Replace the archive by these collections."""
        with replacing(self.root / ARCHIVE) as file, zipfile.ZipFile(file, "w") as archive:
            for number, saved in enumerate(collections):
                write_saved(archive, str(number), saved)

    def everything(self) -> list[Saved]:
        """Read all collections of the archive, in the order they were saved."""
        with self._opened() as archive:
            return [read_saved(archive, folder) for folder in _directory(archive).values()] if archive else []

    def __contains__(self, name: str) -> bool:
        """Say whether the archive has a collection of that name."""
        with self._opened() as archive:
            return archive is not None and name in _directory(archive)

    def load(self, name: str) -> Saved | None:
        """One collection of the archive; None when it has none of that name."""
        with self._opened() as archive:
            if archive is None or name not in (directory := _directory(archive)):
                return None
            return read_saved(archive, directory[name])

    def archive_bytes(self) -> int:
        """Size of the archive; 0 when nothing was saved yet."""
        path = self.root / ARCHIVE
        return path.stat().st_size if path.exists() else 0

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile | None]:
        path = self.root / ARCHIVE
        if not path.exists():
            yield None
            return
        with zipfile.ZipFile(path) as archive:
            yield archive


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write a file beside `path`, then put it in its place; an error leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.writing")
    with beside.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def write_saved(archive: zipfile.ZipFile, folder: str, saved: Saved) -> None:
    """Put one collection into an archive."""
    about = {"name": saved.name, "settings": saved.settings.to_json()}
    archive.writestr(f"{folder}/about.json", json.dumps(about))
    records = [saved.page.ids, saved.page.payloads]
    archive.writestr(f"{folder}/records.json", json.dumps(records))
    buffer = io.BytesIO()
    np.save(buffer, saved.page.vectors, allow_pickle=False)
    archive.writestr(f"{folder}/vectors.npy", buffer.getbuffer())


def read_saved(archive: zipfile.ZipFile, folder: str) -> Saved:
    """Take one collection out of an archive."""
    about = json.loads(archive.read(f"{folder}/about.json"))
    ids, texts = json.loads(archive.read(f"{folder}/records.json"))
    vectors = np.load(io.BytesIO(archive.read(f"{folder}/vectors.npy")), allow_pickle=False)
    return Saved(about["name"], Settings.from_json(about["settings"]), Page(ids, vectors, texts))


def _directory(archive: zipfile.ZipFile) -> dict[str, str]:
    entries = [name for name in archive.namelist() if name.endswith("/about.json")]
    return {json.loads(archive.read(entry))["name"]: entry.partition("/")[0] for entry in entries}
