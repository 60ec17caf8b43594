"""Putting several reads of a moving collection together until they are all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pyarrow as pa

from backup_engine.archive.manifest import Standing
from backup_engine.capture.judging import Unsettled, Verdict, judge_union, union_falls_short
from backup_engine.capture.several_reads import SeveralReads
from backup_engine.capture.watching import Watch
from backup_engine.errors import CollectionMoved

_MOST_READS = 5
_ASKED_AT_ONCE = 500


class Union:
    """Several reads of one collection and what the server counted meanwhile.

    :param reads: what was read so far; may be nothing
    :param read: reads the collection once more
    :param retrieve: asks for records by id
    """

    def __init__(
        self,
        reads: SeveralReads,
        watch: Watch,
        read: Callable[[], Iterable[pa.RecordBatch]],
        retrieve: Callable[[list[str]], pa.RecordBatch],
    ) -> None:
        self._reads = reads
        self._watch = watch
        self._read = read
        self._retrieve = retrieve

    def settle(self) -> tuple[Verdict, int]:
        """Read until the union can be the collection.

        A further read keeps what it sees. Where that is too much, because records are deleted after they were read,
        one that only looks tells which are still there; of what it sees for the first time there is room for as much
        as the server counts, and what was missed so far is listed before what is new.

        :returns: what the union is called, and how many of the records that are gone belong to it
        """
        need = Unsettled.MORE
        while self._reads.reads < _MOST_READS:
            first = not self._reads.reads
            complete = self._read_once(keep=need is Unsettled.MORE)
            if first or not complete:
                continue
            self._ask(room=need is Unsettled.FEWER)
            judged = judge_union(self._reads.tally(), self._watch.lowest, self._watch.highest)
            if not isinstance(judged, Unsettled):
                return Verdict(Standing.FUZZY), judged
            need = judged
        tally = self._reads.tally()
        problem = union_falls_short(tally, self._watch.lowest, self._watch.highest, self._reads.reads)
        return Verdict(Standing.INCOMPLETE, problem), tally.gone

    def _read_once(self, *, keep: bool) -> bool:
        """Read it once; tell whether the read went through to its end."""
        try:
            if keep:
                self._reads.take(self._read())
            else:
                for _ in self._reads.note(self._read()):
                    pass
        except CollectionMoved:
            return False
        finally:
            self._watch.look()  # and what is asked for by its name must be listed
        return True

    def _ask(self, *, room: bool) -> None:
        """Ask by id for what the last read did not list although an earlier one did.

        A record that is kept stays as it was read: what the server gives by id it trims.
        """
        self._reads.confirmed(map(self._retrieve, self._reads.missing(_ASKED_AT_ONCE, kept=True)))
        self._reads.found(map(self._retrieve, self._reads.missing(_ASKED_AT_ONCE, kept=False)))
        self._watch.look()
        left = self._watch.highest - self._reads.tally().present
        if room and left > 0:
            self._reads.found(map(self._retrieve, self._reads.unkept(_ASKED_AT_ONCE, left)))
            self._watch.look()
