"""From measurements to figures with budgets. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from backup_engine import wording
from backup_engine.model import Document
from bench.measurement import Measurement, SideBySide, Step
from bench.parameters import Kept

REAL_RATE = 300.0
"""Vectors a second that a real server takes back, whatever the client: 3.5.0 on two cores, 20,000 x 384."""

TENFOLD = 10
"""How many times as much the capture reads that shows whether memory stays flat."""

_MIB = 1 << 20
COPIES = (Step.COPY_TO_S3, Step.COPY_S3_TO_S3)
_OWN_STEPS = (Step.CAPTURE, Step.VERIFY_FULL, Step.VERIFY_QUICK, Step.RESTORE, Step.CAPTURE_TO_S3, *COPIES)


class Unit(StrEnum):
    """What a figure counts."""

    RATIO = "ratio"
    SHARE = "share"
    RECORDS_A_SECOND = "records/s"
    BYTES_A_SECOND = "bytes/s"
    BYTES = "bytes"
    REQUESTS = "requests"


class Figure(Document):
    """One figure, and what it is meant to be.

    :param at_most: the budget from above
    :param at_least: the budget from below
    """

    name: str
    value: float
    unit: Unit
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether it keeps its budget; None if it has none."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least


def best(rounds: Mapping[Step, Sequence[Measurement]]) -> dict[Step, Measurement]:
    """Take the fastest round of each step: what slows one down is somebody else."""
    return {step: min(measured, key=lambda one: one.seconds) for step, measured in rounds.items()}


def figures(
    kept: Kept, steps: Mapping[Step, Measurement], tenfold: Mapping[Step, Measurement], *, live: bool
) -> tuple[Figure, ...]:
    """Compare the steps of one run.

    :param tenfold: steps with ten times the data; empty where there were none
    :param live: measured against a real server, whose own time is part of every step's
    """
    return (
        *_serving(steps[Step.READ], live),
        *_capture(kept, steps),
        *_own(steps, tenfold, live),
        *_stores(steps, tenfold),
    )


def side_by_side_figures(measured: Sequence[SideBySide]) -> tuple[Figure, ...]:
    """Compare what several workers took with what one took; the fastest run of each counts."""
    quickest: dict[tuple[float | None, int], float] = {}
    for one in measured:
        kind = (one.pace, one.workers)
        quickest[kind] = min(one.seconds, quickest.get(kind, one.seconds))
    return tuple(
        _ratio(f"{workers} workers ÷ one, {pace_name(pace)}", quickest[pace, 1] / seconds, at_least=_TWICE)
        for (pace, workers), seconds in quickest.items()
        if workers > 1
    )


def pace_name(pace: float | None) -> str:
    """Say how fast the server answers."""
    return f"answers at {wording.size(pace)}/s" if pace else "answers as fast as they are taken"


def _serving(read: Measurement, live: bool) -> Iterator[Figure]:
    yield Figure(
        name="answers served to a plain client",
        value=read.bytes / read.seconds,
        unit=Unit.BYTES_A_SECOND,
        at_least=None if live else 1e9,
    )


def _capture(kept: Kept, steps: Mapping[Step, Measurement]) -> Iterator[Figure]:
    capture, guide = steps[Step.CAPTURE], steps[Step.GUIDE]
    smallest, quickest = (0.2, 30_000) if kept is Kept.SQ8 else (0.4, 20_000)
    yield _ratio("capture time ÷ guide's", capture.seconds / guide.seconds, at_most=0.25)
    yield _ratio("capture CPU ÷ guide's", capture.cpu_seconds / guide.cpu_seconds)
    yield _ratio("backup bytes ÷ guide's", capture.bytes / guide.bytes, at_most=smallest)
    yield Figure(
        name="records captured a second of CPU",
        value=capture.vectors / capture.cpu_seconds,
        unit=Unit.RECORDS_A_SECOND,
        at_least=quickest,
    )
    verify = steps[Step.VERIFY_FULL]
    yield _ratio("full verification rate ÷ capture rate", capture.seconds / verify.seconds, at_least=3)


_TWICE = 1.7
"""What two workers are to make of twice the hands: some is lost to memory, caches and the server they share."""

_FLAT = 1.25
"""Digests are held up to 262,144 records and spilled beyond: some 30 MiB that the smaller capture does not need yet."""


def _own(steps: Mapping[Step, Measurement], tenfold: Mapping[Step, Measurement], live: bool) -> Iterator[Figure]:
    restore = steps[Step.RESTORE]
    whole = restore.seconds if live else restore.vectors / REAL_RATE
    yield Figure(name="own share of a restore", value=restore.cpu_seconds / whole, unit=Unit.SHARE, at_most=0.1)
    peaks = [steps[step].memory_bytes for step in _OWN_STEPS] + [one.memory_bytes for one in tenfold.values()]
    yield Figure(name="memory of a worker, the most", value=max(peaks), unit=Unit.BYTES, at_most=512 * _MIB)
    if Step.CAPTURE in tenfold:
        ratio = tenfold[Step.CAPTURE].memory_bytes / steps[Step.CAPTURE].memory_bytes
        yield _ratio(f"memory of a capture, {TENFOLD} times the data ÷ once", ratio, at_most=_FLAT)


_FLAT_COPY = 1.1
"""A copy holds some pieces of the archive and nothing that grows with it."""


def _stores(steps: Mapping[Step, Measurement], tenfold: Mapping[Step, Measurement]) -> Iterator[Figure]:
    rate = steps[Step.CAPTURE].seconds / steps[Step.CAPTURE_TO_S3].seconds
    yield _ratio("capture rate, primary on S3 ÷ local", rate, at_least=0.6)
    for step in COPIES:
        copy = steps[step]
        yield Figure(name=f"{step.value}, rate", value=copy.bytes / copy.seconds, unit=Unit.BYTES_A_SECOND)
        if step in tenfold:
            ratio = tenfold[step].memory_bytes / copy.memory_bytes
            yield _ratio(f"memory of {step.value}, {TENFOLD} times the data ÷ once", ratio, at_most=_FLAT_COPY)


def _ratio(name: str, value: float, at_most: float | None = None, at_least: float | None = None) -> Figure:
    return Figure(name=name, value=value, unit=Unit.RATIO, at_most=at_most, at_least=at_least)
