"""From measurements to figures with budgets. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from backup_engine.model import Document
from bench.measurement import Measurement, Step
from bench.parameters import Kept

REAL_RATE = 300.0
"""Vectors a second that a real server takes back, whatever the client: 3.5.0 on two cores, 20,000 x 384."""

TENFOLD = 10
"""How many times as much the capture reads that shows whether memory stays flat."""

_MIB = 1 << 20
_OWN_STEPS = (Step.CAPTURE, Step.VERIFY_FULL, Step.VERIFY_QUICK, Step.RESTORE)


class Unit(StrEnum):
    """What a figure counts."""

    RATIO = "ratio"
    SHARE = "share"
    RECORDS_A_SECOND = "records/s"
    BYTES_A_SECOND = "bytes/s"
    BYTES = "bytes"


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
    kept: Kept, steps: Mapping[Step, Measurement], tenfold: Measurement | None, *, live: bool
) -> tuple[Figure, ...]:
    """Compare the steps of one run.

    :param tenfold: a capture of ten times the data; None where there was none
    :param live: measured against a real server, whose own time is part of every step's
    """
    return (*_serving(steps[Step.READ], live), *_capture(kept, steps), *_own(steps, tenfold, live))


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


_FLAT = 1.25
"""Digests are held up to 262,144 records and spilled beyond: some 30 MiB that the smaller capture does not need yet."""


def _own(steps: Mapping[Step, Measurement], tenfold: Measurement | None, live: bool) -> Iterator[Figure]:
    restore = steps[Step.RESTORE]
    whole = restore.seconds if live else restore.vectors / REAL_RATE
    yield Figure(name="own share of a restore", value=restore.cpu_seconds / whole, unit=Unit.SHARE, at_most=0.1)
    peaks = [steps[step].memory_bytes for step in _OWN_STEPS] + ([tenfold.memory_bytes] if tenfold else [])
    yield Figure(name="memory of a worker, the most", value=max(peaks), unit=Unit.BYTES, at_most=512 * _MIB)
    if tenfold:
        ratio = tenfold.memory_bytes / steps[Step.CAPTURE].memory_bytes
        yield _ratio(f"memory of a capture, {TENFOLD} times the data ÷ once", ratio, at_most=_FLAT)


def _ratio(name: str, value: float, at_most: float | None = None, at_least: float | None = None) -> Figure:
    return Figure(name=name, value=value, unit=Unit.RATIO, at_most=at_most, at_least=at_least)
