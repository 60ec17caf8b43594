"""From measured increments to figures with budgets. Pure."""

from collections.abc import Iterator, Sequence

from bench.figures import Figure, Unit
from bench.measurement import Depth, Increments, Measurement

_OF_RESTIC = 0.05
_OF_A_FULL_READ = 1.25
_OF_A_FULL_RESTORE = 1.5
_MEMORY = 512 << 20


def increment_figures(
    measured: Sequence[Increments], deepest: Depth | None, large: Measurement | None
) -> tuple[Figure, ...]:
    """Compare increments with restic and with full reads.

    :param large: an increment of ten times the data
    """
    return (*(figure for one in measured for figure in _of(one)), *_depth(deepest), *_memory(large))


def _of(one: Increments) -> Iterator[Figure]:
    if one.restic:
        budget = _OF_RESTIC if one.scattered else None
        name = f"{one.change}: bytes ÷ what restic adds"
        yield Figure(name=name, value=one.increment.bytes / one.restic, unit=Unit.RATIO, at_most=budget)
    time = one.increment.seconds / one.full.seconds
    name = f"{one.change}: time ÷ a full read"
    yield Figure(name=name, value=time, unit=Unit.RATIO, at_most=_OF_A_FULL_READ)
    yield Figure(name=f"{one.change}: requests when nothing changed since", value=one.unchanged, unit=Unit.REQUESTS)
    yield Figure(name=f"{one.change}: of these, for records", value=one.pages, unit=Unit.REQUESTS, at_most=0)


def _depth(one: Depth | None) -> Iterator[Figure]:
    if one is not None:
        name = f"restore of a chain of {one.links} ÷ of a full"
        ratio = one.chain.seconds / one.full.seconds
        yield Figure(name=name, value=ratio, unit=Unit.RATIO, at_most=_OF_A_FULL_RESTORE)


def _memory(large: Measurement | None) -> Iterator[Figure]:
    if large is not None:
        name = f"memory of an increment of {large.vectors:,} records"
        yield Figure(name=name, value=large.memory_bytes, unit=Unit.BYTES, at_most=_MEMORY)
