"""Reading one collection, as often as it takes to be sure of it, and no oftener."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from backup_engine.archive.collection import configuration_sha256
from backup_engine.archive.manifest import Standing, Window
from backup_engine.capture.comparing import Comparison
from backup_engine.capture.desk import Desk
from backup_engine.capture.fragments import FragmentWriter, Written
from backup_engine.capture.judging import Again, Pass, Verdict, judge_passes, listed_twice
from backup_engine.capture.outcome import STORED_WHOLE, Read, result_of
from backup_engine.capture.plan import Basis, PlannedCollection
from backup_engine.capture.results import CollectionResult
from backup_engine.capture.several_reads import SeveralReads
from backup_engine.capture.uniting import Union
from backup_engine.capture.watching import Watch
from backup_engine.errors import CollectionMoved
from backup_engine.model import CollectionConfiguration, Reading

_JSON_BYTES_A_COMPONENT = 12  # "-0.12345678," as servers print float32
_JSON_BYTES_A_RECORD = 512  # id and payload: a guess


class CollectionReader:
    """Reads one collection, as long as it is the same one.

    :param numbers: of its fragments, never one twice
    :param lost: why it is stored whole although the plan meant to compare it
    """

    def __init__(
        self, planned: PlannedCollection, watch: Watch, desk: Desk, numbers: Iterator[int], lost: str | None = None
    ) -> None:
        self._planned = planned
        self._watch = watch
        self._desk = desk
        self._numbers = numbers
        self._basis: Basis | None = planned.basis
        self._lost = lost
        self._comparison: Comparison | None = None
        self._configuration: CollectionConfiguration
        self._writer: FragmentWriter
        self._written: Written
        self._directory: Path
        self._reads: SeveralReads
        self._passes: list[Pass] = []
        self._readings: list[Reading] = []

    def read(self) -> CollectionResult:
        """Read until the collection is whole, or several reads together are all of it, or it is clear that it lacks.

        :raises Vanished: it is gone
        :raises CreatedAnew: it is another one
        """
        self._watch.look()
        self._configuration = self._desk.source.configuration(self._planned.state.name)
        with tempfile.TemporaryDirectory(prefix="reads-", dir=self._desk.temporary) as directory:
            self._directory = Path(directory)
            self._comparison = self._compared()
            self._writer = FragmentWriter(
                self._planned, self._configuration, self._desk, self._numbers, self._comparison
            )
            verdict = self._read_to_the_end()
        result = self._result(verdict)
        self._writer.remove_all_but(result.fragment)
        return result

    def _compared(self) -> Comparison | None:
        """Open what it is compared with, unless it is not what was planned for any more."""
        if self._basis is None:
            return None
        if self._watch.seen[-1].created_at != self._planned.state.created_at:
            self._lost = f"created anew since {self._basis.newest.name}"
        elif configuration_sha256(self._configuration) != self._basis.configuration_sha256:
            self._lost = f"its configuration is not that of {self._basis.newest.name}"
        else:
            retrieve = partial(self._desk.source.retrieve, self._planned.state.name)
            base, archives = self._basis.base, self._desk.archives
            return Comparison(base, archives, self._watch, retrieve, self._directory / "base")
        self._basis = None
        return None

    def _read_to_the_end(self) -> Verdict:
        step: Verdict | Again = Again.SAME
        while not isinstance(step, Verdict):
            if step is Again.SEVERAL:
                return self._unite()
            self._pass(single_page=step is Again.SINGLE_PAGE)
            step = judge_passes(self._passes, fits_one_page=self._fits_one_page)
        if step.standing is Standing.WHOLE and self._revived:
            return Verdict(Standing.FUZZY)
        return step

    @property
    def _revived(self) -> int:
        """Records that the last reading did not list, and that there were all the same."""
        return self._comparison.revived if self._comparison is not None else 0

    @property
    def _fits_one_page(self) -> bool:
        a_record = self._configuration.dimension * _JSON_BYTES_A_COMPONENT + _JSON_BYTES_A_RECORD
        return self._watch.highest * a_record <= self._desk.single_page_bytes

    def _pass(self, *, single_page: bool) -> None:
        """Read it once. A read that may have to be put together with others is remembered."""
        before = self._watch.seen[-1]
        pages, batches = self._batches(single_page=single_page)
        remember = pages > 1 and not self._fits_one_page
        vectors, duplicates = None, 0
        self._reads = self._no_reads()
        try:
            self._written = self._writer.write(self._reads.note(batches) if remember else batches)
            vectors, duplicates = self._written.holds.vectors, self._written.holds.duplicates
            if remember:
                self._reads.lies_in(partial(self._writer.read_again, self._written))
        except CollectionMoved:
            self._reads = self._no_reads()
        pages += bool(self._readings[-1].later)
        after = self._watch.look()
        if vectors is not None and after == before:  # what does not move and is not listed is lacking
            vectors -= self._revived
        self._passes.append(Pass(pages, before, after, vectors, duplicates))

    def _unite(self) -> Verdict:
        if self._passes[-1].steady:  # it only lists some ids twice
            self._reads.take(self._batches(single_page=self._passes[-1].pages == 1)[1])
            self._watch.look()
            self._written = self._writer.write(self._reads.records(), self._reads.known())
            return Verdict(Standing.INCOMPLETE, listed_twice(self._passes[-1].duplicates))
        retrieve = partial(self._desk.source.retrieve, self._planned.state.name)
        verdict, gone = Union(self._reads, self._watch, lambda: self._batches()[1], retrieve).settle()
        self._written = self._writer.write(self._reads.records(gone), self._reads.known(gone))
        return verdict

    def _batches(self, *, single_page: bool = False) -> tuple[int, Iterable[pa.RecordBatch]]:
        state = self._watch.seen[-1]
        reading = self._desk.source.read(state, single_page=single_page)
        self._readings.append(reading)
        return reading.pages, self._writer.checked(reading.batches, state.vectors)

    def _no_reads(self) -> SeveralReads:
        differs = self._comparison.differs if self._comparison is not None else None
        return SeveralReads(Path(tempfile.mkdtemp(dir=self._directory)), differs)

    def _result(self, verdict: Verdict) -> CollectionResult:
        seen, whole, holds = self._watch.seen, verdict.standing is Standing.WHOLE, self._written.holds
        of_state = self._comparison or holds
        return result_of(
            Read(
                planned=self._planned,
                basis=self._basis,
                verdict=verdict,
                written=self._written,
                configuration=self._configuration,
                listed=self._passes[-1].before if whole else seen[0],
                counted=holds.vectors if whole else seen[-1].vectors,
                window=self._window() if verdict.standing is Standing.FUZZY else None,
                way=self._readings[-1].way,
                irregular=tuple(of_state.irregular),
                irregular_count=of_state.irregular_count,
                notes=self._notes(),
                planned_at=self._desk.plan.started_at,
            )
        )

    def _notes(self) -> tuple[str, ...]:
        unknown = self._configuration.unknown
        defaults = f"the server did not tell its {', '.join(unknown)}: the server's defaults stand there"
        notes = [note for reading in self._readings for note in reading.notes]
        lost = [f"{STORED_WHOLE}{self._lost}"] if self._lost else []
        return (*dict.fromkeys(notes), *([defaults] if unknown else []), *lost)

    def _window(self) -> Window:
        return Window(
            started_at=self._watch.started_at,
            ended_at=self._desk.clock(),
            lowest=self._watch.lowest,
            highest=self._watch.highest,
        )
