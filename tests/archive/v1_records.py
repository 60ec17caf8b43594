"""What the backups in ``fixtures/`` hold, in numbers and letters: they were made from these records once, by the first
release, and are never made again. ``python -m tests.archive.v1_records FOLDER`` shows how.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from backup_engine.archive.batches import make_batch
from backup_engine.archive.manifest import LeftOut, Standing, Window
from backup_engine.archive.tail import document_bytes, sidecar
from backup_engine.model import Metric, Quantization
from tests.archive.builder import NOON, Built, Given, manifest_of, write_collection
from tests.archive.lines import Line, edited

FLOATS = {
    "plain": ([0.5, -1.25, 3.0], '{"text":"hello","n":1}'),
    "no payload": ([1.0, 2.0, 3.0], None),
    "empty object": ([-0.0, 0.0, 1e-45], "{}"),
    "null components": ([float("nan"), 1.0, float("nan")], '{"odd":true}'),
    "": ([3.4028235e38, -3.4028235e38, 1.1754944e-38], "null"),
    "ünï/#\t😀": ([0.1, 0.2, 0.3], '{"big":123456789012345678901234567890,"float":1e+20,"minus":-0.0,"ä":["é",[]]}'),
    "x" * 300: ([7.0, 7.0, 7.0], '"text"'),
}
"""Id: components (rounded to float32) and payload. Euclidean, not quantised."""

CODES = {
    "k1": ([0, 51, 102, 255], -1.0, 1.0, '{"n":1}'),
    "k2": ([255, 128, 127, 0], 0.25, 0.75, None),
    "k3": ([0, 0, 0, 0], 0.125, 0.125, "[1,2]"),
}
"""Id: codes, lo, hi and payload. Cosine, SQ8; chosen so that the floats are exact."""

SHOWN = {
    "k1": ["-0x1.0000000000000p+0", "-0x1.3333340000000p-1", "-0x1.9999980000000p-3", "0x1.0000000000000p+0"],
    "k2": ["0x1.8000000000000p-1", "0x1.0080800000000p-1", "0x1.feff000000000p-2", "0x1.0000000000000p-2"],
    "k3": ["0x1.0000000000000p-3"] * 4,
}
"""What the server showed for these codes, to the bit."""

LATER = {
    "plain": ([0.5, -1.25, 3.5], '{"text":"hello","n":2}'),
    "new": ([9.0, 8.0, 7.0], None),
}
"""What the incremental has otherwise, or more, than ``FLOATS``."""

GONE = ("empty object", "x" * 300)
"""And what it has not."""


def collections() -> tuple[Given, Given, Given]:
    """The collections as they were captured."""
    floats = np.array([vector for vector, _ in FLOATS.values()], np.float32)
    shown = np.array([[float.fromhex(text) for text in row] for row in SHOWN.values()], np.float32)
    return (
        Given("Docs & Notes/2026", [make_batch(list(FLOATS), floats, [text for _, text in FLOATS.values()])], 3),
        Given(
            "codes",
            [make_batch(list(CODES), shown, [row[3] for row in CODES.values()])],
            4,
            Metric.COSINE,
            Quantization.SQ8,
        ),
        Given("名前", [], 5),
    )


def build_fixture() -> Built:
    """The backup, with something in every field of its manifest."""
    given = collections()
    written = [write_collection(item, f"c{number:04d}") for number, item in enumerate(given, 1)]
    manifest = manifest_of(given, [done for _, done in written])
    clear, private = manifest.clear, manifest.private
    moved = Window(started_at=NOON, ended_at=NOON, lowest=3, highest=4)
    fuzzy = clear.collections[1].model_copy(update={"standing": Standing.FUZZY, "window": moved})
    manifest = manifest.model_copy(
        update={
            "clear": clear.model_copy(update={"collections": (clear.collections[0], fuzzy, clear.collections[2])}),
            "private": private.model_copy(
                update={
                    "label": "before the move",
                    "aliases": {"current": "codes"},
                    "left_out": (LeftOut(name="scratch-1", reason="excluded by scratch-*"),),
                }
            ),
        }
    )
    facts, tail = sidecar(manifest, [done.stored for _, done in written])
    return Built(b"".join([*(data for data, _ in written), tail]), facts)


def build_incremental(full: Built) -> Built:
    """An incremental that hangs on the backup: a delta, two pointers, a new collection."""
    floats, *others = collections()
    rows = {key: (np.array(vector, "<f4").tobytes(), payload) for key, (vector, payload) in LATER.items()}
    new = Given("new", [make_batch(["first"], np.array([[1.0, 0.5]], np.float32), ["{}"])], 2)
    return Line(*collections(), full=full).add(edited(floats, rows, set(GONE)), *others, new)


if __name__ == "__main__":
    built = build_fixture()
    for name, one in {"v1": built, "v1-incremental": build_incremental(built)}.items():
        Path(sys.argv[1], f"{name}.tar.gz").write_bytes(one.data)
        Path(sys.argv[1], f"{name}.json").write_bytes(document_bytes(one.sidecar))
