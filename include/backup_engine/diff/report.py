"""What a comparison of two states found, as it is shown and handed on."""

from __future__ import annotations

from enum import StrEnum

from backup_engine.model import Document, Moment

SHIFTS = (1e-6, 1e-4, 1e-2, 0.1, 0.5, 1.0, 2.0)
"""Upper ends of the ranges in which cosine shifts are counted. Below a millionth is rounding; up to a ten-thousandth is
what a server that starts again does to SQ8; another embedding model lands near 1."""


class Verdict(StrEnum):
    """What became of a collection between two states.

    * same: every record and every setting
    * changed: in both, with other records or settings
    * added: only the second state has it
    * removed: only the first state has it
    * unknown: one side could not be read
    """

    SAME = "same"
    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    UNKNOWN = "unknown"


class ShiftRange(Document):
    """How many vectors moved so far.

    :param up_to: 1 minus the cosine between old and new, at most this, and more than the range before
    """

    up_to: float
    records: int


class Examples(Document):
    """Ids of some records of each kind, sorted, as many as were asked for."""

    added: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    re_embedded: tuple[str, ...] = ()
    payload_only: tuple[str, ...] = ()


class RecordCounts(Document):
    """How many records differ, and how.

    :param changed: in both states, differently: ``re_embedded`` and ``payload_only`` together
    :param re_embedded: another vector
    :param payload_too: of these, another payload as well
    :param payload_only: the same vector to the bit, another payload
    """

    added: int = 0
    changed: int = 0
    deleted: int = 0
    re_embedded: int = 0
    payload_too: int = 0
    payload_only: int = 0

    @property
    def any(self) -> bool:
        """Some record differs."""
        return bool(self.added or self.changed or self.deleted)


class CollectionDiff(Document):
    """What became of one collection.

    :param before: its records in the first state; None: it was not there, or not readable
    :param after: the same for the second
    :param shifts: how far the vectors moved; empty where none did, or where the dimension is another
    :param unmeasured: vectors without a direction, before or after: nothing but zeros, or a component that is null
    :param reconfigured: a sentence for each setting that is another
    :param remarks: what limits what is said here, for people
    """

    name: str
    verdict: Verdict
    before: int | None = None
    after: int | None = None
    records: RecordCounts = RecordCounts()
    shifts: tuple[ShiftRange, ...] = ()
    unmeasured: int = 0
    reconfigured: tuple[str, ...] = ()
    examples: Examples = Examples()
    remarks: tuple[str, ...] = ()


class ComparedState(Document):
    """One of the two.

    :param name: a backup's, or the server's address
    :param at: when its reading ended
    """

    name: str
    at: Moment


class StateDiff(Document):
    """The difference between two states, by collection, sorted by name."""

    first: ComparedState
    second: ComparedState
    collections: tuple[CollectionDiff, ...]

    @property
    def same(self) -> bool:
        """Nothing differs, and everything could be read."""
        return all(one.verdict is Verdict.SAME for one in self.collections)
