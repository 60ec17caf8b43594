"""What a capture is called: good, partial or suspect, with reasons in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple

from backup_engine import wording
from backup_engine.archive.manifest import BackupState, Manifest
from backup_engine.capture.plan import CapturePlan
from backup_engine.capture.results import CollectionResult, StreamResult

_FEW = 10
"""Records a collection may always lose unasked, as long as some are left: two of three are 67 %."""


class Judgement(NamedTuple):
    """A state and why it is not a better one."""

    state: BackupState
    reasons: tuple[str, ...]


def judge_capture(plan: CapturePlan, results: Sequence[StreamResult], last: Manifest | None) -> Judgement:
    """Judge what was read.

    :param last: the newest good backup of the deployment's whole scope; what shrank is measured by it
    """
    lacking = tuple(_lacking(plan, results))
    doubts = (
        *plan.request.suspicions,
        *(_shrunk(plan, results, last) if last is not None and plan.whole_scope else ()),
    )
    if lacking:
        return Judgement(BackupState.PARTIAL, (*lacking, *doubts))
    return Judgement(BackupState.SUSPECT if doubts else BackupState.GOOD, doubts)


def allowed_loss(vectors: int, limit: float) -> int:
    """Tell how many records of so many may be missing unasked.

    :param limit: share, 0 to 1; with 0 none may, and only with 1 all
    """
    if limit in {0, 1}:
        return round(vectors * limit)
    return max(0, min(vectors - 1, max(ceil(vectors * limit), _FEW)))


def _lacking(plan: CapturePlan, results: Sequence[StreamResult]) -> Iterator[str]:
    for result in _read(results):
        if not result.complete and result.private.name not in plan.request.acknowledged:
            yield f"{result.private.name!r} is {result.summary.standing.value}: {result.private.problem}"


def _shrunk(plan: CapturePlan, results: Sequence[StreamResult], last: Manifest) -> Iterator[str]:
    """Name what the last good backup held and this one does not, beyond the limit.

    A collection that was left out on purpose, or that somebody declared unreadable, is not missed.
    """
    limit = plan.request.shrink_limit
    meant = {left.name for left in plan.left_out} | set(plan.request.acknowledged)
    held = {private.name: summary.vectors for summary, private in last.each() if private.name not in meant}
    now = {result.private.name: result.summary.vectors for result in _read(results)}
    for name, vectors in held.items():
        if name not in now:
            yield f"{name!r} is gone; {last.clear.name} held {wording.count(vectors, 'vector')} of it"
        elif vectors - now[name] > allowed_loss(vectors, limit):
            yield _less(repr(name), vectors, now[name], last, limit)
    total, left = sum(held.values()), sum(now.get(name, 0) for name in held)
    if total - left > allowed_loss(total, limit):
        yield _less("the whole", total, left, last, limit)


def _less(what: str, then: int, now: int, last: Manifest, limit: float) -> str:
    lost = (then - now) / then
    return (
        f"{what} has {now:,} of the {wording.count(then, 'vector')} that {last.clear.name} held: {lost:.0%} less, "
        f"{limit:.0%} are allowed"
    )


def _read(results: Sequence[StreamResult]) -> Iterator[CollectionResult]:
    return (one for result in results for one in result.collections)


def nothing_read(results: Sequence[StreamResult]) -> bool:
    """Tell whether there is not a single record."""
    return not any(one.summary.vectors for one in _read(results))
