"""What is measured with: random vectors, which no codec can make much smaller, and payloads of about 250 bytes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backup_engine.archive.batches import make_batch
from backup_engine.archive.canonical import canonical_json
from bench.parameters import Kept, Shape
from sandbox.quantisation import Floats, dequantise, normalise, quantise

VERSION = 3
"""Another one whenever the data come out otherwise: what was rendered before is rendered anew."""

BLOCK = 10_000
_SEED = 20261122
_WORDS = 24
_TAGS = ("guide", "reference", "ticket", "minutes", "draft")

Payload = dict[str, object]


@dataclass(frozen=True, slots=True)
class Block:
    """Records side by side, as somebody writes them to a server."""

    ids: list[str]
    vectors: Floats
    payloads: list[Payload]

    def batch(self) -> pa.RecordBatch:
        """Give them as the engine takes them."""
        return make_batch(self.ids, self.vectors, [canonical_json(payload) for payload in self.payloads])


def blocks(vectors: int, dimension: int) -> Iterator[Block]:
    """Make the records, the same ones every time, at most ``BLOCK`` at once."""
    for number, start in enumerate(range(0, vectors, BLOCK)):
        source = np.random.default_rng((_SEED, number))
        rows = min(BLOCK, vectors - start)
        values = source.standard_normal((BLOCK, dimension), dtype=np.float32)[:rows]
        words = _words(source)[:rows]
        places = range(start, start + rows)
        yield Block([record_id(0, at) for at in places], values, list(map(_payload, places, words)))


def as_kept(shape: Shape, vectors: Floats) -> Floats:
    """Give what a reader of the server gets for vectors that were written so."""
    kept = normalise(vectors)
    return dequantise(*quantise(kept)) if shape.kept is Kept.SQ8 else kept


def record_id(repetition: int, number: int) -> str:
    """Name a record: one digit at a fixed place tells repetitions of the same data apart."""
    return f"r{repetition}-document-{number:07}"


def repetition_and_number(key: str) -> tuple[int, int]:
    """Read a record's id."""
    return int(key[1]), int(key.rpartition("-")[2])


def in_another_order(payload: Payload, number: int) -> str:
    """Write compact JSON with the keys in an order of this record's own: a server's scroll keeps none."""
    keys = list(payload)
    turned = keys[number % len(keys) :] + keys[: number % len(keys)]
    if number % 2:
        turned.reverse()
    return as_text({key: payload[key] for key in turned})


def as_text(payload: Payload) -> str:
    """Write compact JSON in the order given."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))


def _payload(number: int, words: npt.NDArray[np.int64]) -> Payload:
    return {
        "source": f"handbook/chapter-{number // 40:05}.md",
        "chunk": number % 40,
        "score": (number % 997) / 1000,
        "tags": [_TAGS[number % 5], _TAGS[number % 3]],
        "text": " ".join(map(_VOCABULARY.__getitem__, words)),
    }


def _words(source: np.random.Generator) -> npt.NDArray[np.int64]:
    """Choose words as languages do: few of them often, most of them seldom."""
    return np.minimum(source.zipf(1.3, (BLOCK, _WORDS)), len(_VOCABULARY)) - 1


def _vocabulary() -> list[str]:
    source = np.random.default_rng(_SEED)
    syllables = [first + vowel for first in "bdfglmnprst" for vowel in "aeiou"]
    return ["".join(source.choice(syllables, length)) for length in source.integers(2, 5, 5000)]


_VOCABULARY = _vocabulary()
