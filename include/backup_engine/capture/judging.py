"""Whether what was read of a collection is all of it: pure decisions over counts and times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from backup_engine import wording
from backup_engine.archive.manifest import Standing
from backup_engine.capture.several_reads import Tally
from backup_engine.model import CollectionState

_MOST_PASSES = 3


class Again(Enum):
    """What to do when a reading cannot be kept: the same once more, as a single page, or several reads made one."""

    SAME = auto()
    SINGLE_PAGE = auto()
    SEVERAL = auto()


@dataclass(frozen=True, slots=True)
class Pass:
    """One reading of a collection, and how the server listed it before and after.

    :param vectors: records it gave; None when it broke off, because the order changed under it
    :param duplicates: of these, how many had an id that an earlier one had
    """

    pages: int
    before: CollectionState
    after: CollectionState
    vectors: int | None
    duplicates: int

    @property
    def steady(self) -> bool:
        """Nothing moved meanwhile, as far as the server tells."""
        return self.vectors is not None and self.before == self.after

    @property
    def whole(self) -> bool:
        """It is the collection at one moment: every id once, and as many as the server counted."""
        counted = self.vectors in {self.before.vectors, self.after.vectors}
        return counted and not self.duplicates and (self.steady or self.pages == 1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a collection's reading is called, and why if it is not whole."""

    standing: Standing
    problem: str | None = None


def judge_passes(passes: Sequence[Pass], *, fits_one_page: bool) -> Verdict | Again:
    """Decide over the last reading in the light of those before it.

    A single page that counts differently, or a steady reading that does, is read again: an upsert in flight hides a
    record for a moment. Twice the same from a collection that does not move is its state, and less than it counts.

    :param fits_one_page: the whole collection may be asked for as one page
    """
    last = passes[-1]
    if last.whole:
        return Verdict(Standing.WHOLE)
    if last.steady:
        if last.duplicates:
            return Again.SEVERAL
        settled = len(passes) > 1 and passes[-2].steady and passes[-2].vectors == last.vectors
        if not settled and len(passes) < _MOST_PASSES:
            return Again.SAME
        return Verdict(
            Standing.INCOMPLETE, f"the server counts {last.after.vectors:,} vectors and gives {last.vectors:,}"
        )
    if fits_one_page and len(passes) < _MOST_PASSES:
        return Again.SINGLE_PAGE
    return Again.SEVERAL


class Unsettled(Enum):
    """What several reads together still need: records nobody saw yet, or to know which have been deleted since."""

    MORE = auto()
    FEWER = auto()


def judge_union(tally: Tally, lowest: int, highest: int) -> int | Unsettled:
    """Decide whether several reads together are the collection.

    Each record that was there all the time is in the union once, and all that were there at the last look. Of those
    that went meanwhile as many are kept as the lowest count asks for.

    :param lowest: what the server counted at the least, from before the first read to after the last
    :returns: how many of those that are gone to keep, or what to read for
    """
    if tally.present > highest:
        return Unsettled.FEWER
    if tally.present + tally.gone < lowest:
        return Unsettled.MORE
    return max(0, lowest - tally.present)


def union_falls_short(tally: Tally, lowest: int, highest: int, reads: int) -> str:
    """Say why several reads together are not the collection."""
    counts = f"{lowest:,}" if lowest == highest else f"{lowest:,} to {highest:,}"
    return (
        f"the server counts {counts} vectors while it is written to, and {reads} reads together gave "
        f"{tally.present + tally.gone:,}"
    )


def listed_twice(duplicates: int) -> str:
    """Say that ids came more than once from a collection that did not move."""
    return f"the server lists {wording.count(duplicates, 'record')} under an id that another one has"
