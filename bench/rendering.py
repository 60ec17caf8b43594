"""Records as the JSON text a server sends, rendered once and kept as files that can be sent as they are."""

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson

from bench.data import VERSION, Block, as_kept, as_text, blocks, in_another_order
from bench.parameters import Shape
from sandbox.quantisation import Floats

Offsets = npt.NDArray[np.int64]

SCROLL, BACKUP = "scroll", "backup"
_CHUNK = 8 << 20


@dataclass(frozen=True, slots=True)
class Records:
    """All records in one of the server's dialects, joined by commas.

    :param path: the text
    :param starts: where in it each record starts; one more, for the end (a comma is thought to stand there)
    """

    path: Path
    starts: Offsets

    def warm(self) -> None:
        """Have the whole text in the system's memory, so that no disk is measured later."""
        with self.path.open("rb", buffering=0) as file:
            while file.read(_CHUNK):
                pass

    def span(self, first: int, beyond: int) -> tuple[int, int]:
        """Tell where the text of records ``first`` to before ``beyond`` lies: start and length."""
        start = int(self.starts[first])
        return start, int(self.starts[beyond]) - 1 - start


def rendered(folder: Path, shape: Shape) -> dict[str, Records]:
    """Give the records of a data set in both dialects; rendered now if nobody did before.

    :param folder: where renderings are kept
    """
    place = folder / f"v{VERSION}-{shape.kept}-{shape.vectors}x{shape.dimension}"
    if not place.exists():
        for outdated in set(folder.glob("v*")) - set(folder.glob(f"v{VERSION}-*")):
            shutil.rmtree(outdated)
        unfinished = place.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        _render(unfinished, shape)
        unfinished.rename(place)
    return {name: Records(place / f"{name}.json", np.load(place / f"{name}.npy")) for name in (SCROLL, BACKUP)}


def scroll_entries(shape: Shape, block: Block) -> Iterator[bytes]:
    """Write points as a scroll does: shortest digits, the payload's keys in any order."""
    texts = _insides(as_kept(shape, block.vectors))
    for number, (key, vector, payload) in enumerate(zip(block.ids, texts, block.payloads, strict=True)):
        yield _entry(key, vector, b"payload", in_another_order(payload, number))


def backup_entries(shape: Shape, block: Block) -> Iterator[bytes]:
    """Write vectors as ``GET /backups`` does: every float32 as the float64 it equals."""
    texts = _insides(as_kept(shape, block.vectors).astype(np.float64))
    for key, vector, payload in zip(block.ids, texts, block.payloads, strict=True):
        yield _entry(key, vector, b"metadata", as_text(payload))


def _insides(vectors: Floats | npt.NDArray[np.float64]) -> list[bytes]:
    """Write what stands between the brackets of each vector, with the shortest digits that give its numbers back."""
    return orjson.dumps(vectors, option=orjson.OPT_SERIALIZE_NUMPY)[2:-2].split(b"],[")


def _entry(key: str, components: bytes, name: bytes, payload: str) -> bytes:
    return b'{"id":%s,"vector":[%s],"%s":%s}' % (json.dumps(key).encode(), components, name, payload.encode())


def _render(place: Path, shape: Shape) -> None:
    for name, entries in ((SCROLL, scroll_entries), (BACKUP, backup_entries)):
        texts = (entry for block in blocks(shape.vectors, shape.dimension) for entry in entries(shape, block))
        np.save(place / f"{name}.npy", _write(place / f"{name}.json", texts))


def _write(path: Path, entries: Iterable[bytes]) -> Offsets:
    lengths = [0]
    with path.open("wb", buffering=1 << 20) as file:
        for entry in entries:
            file.write(b"," * (len(lengths) > 1) + entry)
            lengths.append(len(entry) + 1)
    return np.cumsum(lengths, dtype=np.int64)
