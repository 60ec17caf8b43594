"""Carrying a plan out: each step by itself, so that one that fails keeps no other from being done."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from backup_engine.copies.copying import CopyReport, copy_backup
from backup_engine.copies.passage import Passage, begin_passage
from backup_engine.copies.planning import SyncAction, SyncPlan, SyncStep
from backup_engine.copies.reaching import GONE
from backup_engine.errors import BackupError
from backup_engine.model import Clock, Document, Progress, silent
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import read_identity
from backup_engine.verification import VerificationLevel, require_passed, verify_backup


class Outcome(Document):
    """What became of a step.

    :param report: None: it could not be done; ``problem`` says why
    """

    step: SyncStep
    report: CopyReport | None = None
    problem: str | None = None


def carry_out(
    step: SyncStep, source: Store, target: Store, clock: Clock, *, token: str, progress: Progress = silent
) -> CopyReport:
    """Do one step. Doing it again, or another worker's doing it too, changes nothing more.

    A repair reads the source whole first, and only then takes the damaged backup away, manifest first. What was found
    damaged at the target before is verified there after it was written, and the result kept beside it.

    :raises DamagedArchive: the source is not what its manifest says; the target was not touched
    :raises ObjectExists: the target holds another backup under this name
    :raises VerificationFailed: the target is damaged again
    """
    passage = begin_passage(step.folder, step.backup, source, target, clock, token, progress)
    repair = step.action is SyncAction.REPAIR
    if repair and passage.arrived() and passage.target_damaged():
        for _ in passage.read_source("check source"):
            pass
        passage.withdraw()
    report = copy_backup(
        step.folder, step.backup, source, target, clock=clock, token=token, to=step.target, progress=progress
    )
    if report.compared and (repair or passage.target_doubted()):
        _verify(passage)
    return report


def carry_out_all(
    plan: SyncPlan,
    open_root: Callable[[str], Store],
    clock: Clock,
    *,
    token: Callable[[], str],
    progress: Progress = silent,
) -> Iterator[Outcome]:
    """Do all steps in order. One that fails is told with its reason and keeps no other from being done; only what goes
    to or comes from a place that is gone is not tried again.

    :param open_root: opens an address of the plan
    :param token: makes a word that it never made before
    """
    gone: dict[str, str] = {}
    for step in plan.steps:
        said = gone.get(step.source) or gone.get(step.target)
        if said is None:
            yield _done(step, open_root, clock, token(), progress, gone)
        else:
            yield Outcome(step=step, problem=said)


def _done(
    step: SyncStep,
    open_root: Callable[[str], Store],
    clock: Clock,
    token: str,
    progress: Progress,
    gone: dict[str, str],
) -> Outcome:
    try:
        source, target = open_root(step.source), open_root(step.target)
        return Outcome(step=step, report=carry_out(step, source, target, clock, token=token, progress=progress))
    except GONE as error:
        gone.update({url: said for url in (step.source, step.target) if (said := _silence(url, open_root))})
        return Outcome(step=step, problem=_said(error))
    except BackupError as error:
        return Outcome(step=step, problem=_said(error))


def _silence(url: str, open_root: Callable[[str], Store]) -> str | None:
    """Tell why a place does not answer; None if it does."""
    try:
        read_identity(open_root(url))
    except GONE as error:
        return _said(error)
    return None


def _said(error: BackupError) -> str:
    return f"{type(error).__name__}: {error}"


def _verify(passage: Passage) -> None:
    report = verify_backup(
        passage.target,
        passage.folder,
        passage.name,
        VerificationLevel.FULL,
        passage.clock,
        token=passage.token,
        progress=passage.progress,
    )
    require_passed(report)
