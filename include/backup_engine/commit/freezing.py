"""Freezing what a commit works from, so that it writes the same bytes however often it has to begin again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from backup_engine import PRODUCT_VERSION, wording
from backup_engine.archive.manifest import BackupKind, BackupState, Manifest
from backup_engine.capture import staging
from backup_engine.capture.exporting import load_plan
from backup_engine.capture.plan import CapturePlan
from backup_engine.capture.planning import RESTORE_LEASE
from backup_engine.capture.results import StreamResult
from backup_engine.chain import Backups
from backup_engine.commit.chains import broken_chains
from backup_engine.commit.judging import Judgement, judge_capture, nothing_read
from backup_engine.errors import (
    CaptureRefused,
    ChainBrokenMeanwhile,
    NothingToBackUp,
    ObjectExists,
    ObjectNotFound,
    RestoreMeanwhile,
)
from backup_engine.lease import held_by, last_fencing
from backup_engine.model import Clock, Document, Moment
from backup_engine.storage.contract import Store


class FrozenCommit(Document):
    """Which results make the backup, and what was decided about them. Written once for a run.

    :param captured_at: when reading ended
    :param takes_slot: it is a good full of the whole scope
    """

    plan_key: str
    result_keys: tuple[str, ...]
    product_version: str
    state: BackupState
    reasons: tuple[str, ...]
    captured_at: Moment
    takes_slot: bool
    kind: BackupKind = BackupKind.FULL


@dataclass(frozen=True, slots=True)
class Frozen:
    """What is frozen, and what it refers to."""

    commit: FrozenCommit
    plan: CapturePlan
    results: tuple[StreamResult, ...]


def load_frozen(store: Store, run_key: str) -> Frozen | None:
    """Give what an earlier attempt of the run froze; None when there was none."""
    try:
        commit = staging.load(store, staging.frozen_key(run_key), FrozenCommit)
    except ObjectNotFound:
        return None
    return Frozen(commit, load_plan(store, commit.plan_key), _load_results(store, commit.result_keys))


def freeze(
    plan_key: str, result_keys: Sequence[str], store: Store, clock: Clock, last: Manifest | None, backups: Backups
) -> Frozen:
    """Decide what the backup is, and write it down; another attempt that was faster is followed.

    :param last: the newest good backup of the deployment's whole scope
    :param backups: all that the store holds now, by name
    :raises RestoreMeanwhile: a restore ran while this was read
    :raises ChainBrokenMeanwhile: what it was compared with is not all there any more
    :raises CaptureRefused: results are missing
    :raises NothingToBackUp: not a single record was read, and that was not allowed
    """
    plan, results = load_plan(store, plan_key), _load_results(store, result_keys)
    _check_results(plan, results)
    _check_no_restore(plan, store, clock)
    if broken := broken_chains(results, backups):
        raise ChainBrokenMeanwhile(
            f"{wording.listing(broken)}. Nothing is committed; start a new backup, which stores whole what it has to"
        )
    if nothing_read(results) and not plan.request.allow_empty:
        raise NothingToBackUp(_nothing(plan, results))
    judgement = judge_capture(plan, results, last)
    commit = FrozenCommit(
        plan_key=plan_key,
        result_keys=tuple(result_keys),
        product_version=PRODUCT_VERSION,
        state=judgement.state,
        reasons=judgement.reasons,
        captured_at=_captured_at(plan, results),
        takes_slot=_takes_slot(plan, judgement),
        kind=plan.kind,
    )
    run_key = plan.request.run_key
    try:
        staging.keep(store, staging.frozen_key(run_key), commit)
    except ObjectExists:
        return load_frozen(store, run_key) or Frozen(commit, plan, results)
    return Frozen(commit, plan, results)


def _captured_at(plan: CapturePlan, results: Sequence[StreamResult]) -> datetime:
    """When reading ended; never before it began, whatever clocks of several workers say."""
    return max(plan.started_at, *(result.ended_at for result in results))


def _takes_slot(plan: CapturePlan, judgement: Judgement) -> bool:
    return judgement.state is BackupState.GOOD and plan.whole_scope and plan.kind is BackupKind.FULL


def _load_results(store: Store, keys: Sequence[str]) -> tuple[StreamResult, ...]:
    return tuple(staging.load(store, key, StreamResult) for key in keys)


def _check_results(plan: CapturePlan, results: Sequence[StreamResult]) -> None:
    """Every stream once, and every planned collection once."""
    streams = sorted(result.stream for result in results)
    if streams != [*range(len(plan.streams))]:
        raise CaptureRefused(
            f"one result of each stream 0 to {len(plan.streams) - 1} was expected, and those of {streams} came; "
            "export what is missing again"
        )
    keys = sorted(key for result in results for key in result.keys)
    planned = sorted(collection.key for collection in plan.collections)
    if keys != planned:
        odd = wording.listing(sorted(set(keys) ^ set(planned))) or "one comes twice"
        raise CaptureRefused(f"the results are not those of the plan ({odd}); export again, from this plan")


def _check_no_restore(plan: CapturePlan, store: Store, clock: Clock) -> None:
    lease = held_by(store, RESTORE_LEASE, clock)
    if lease is not None or last_fencing(store, RESTORE_LEASE) != plan.restore_fencing:
        who = f"{lease.owner!r} restores now" if lease else "a restore ran"
        raise RestoreMeanwhile(
            f"{who}, and this capture began before it: what was read may be of neither state. Nothing is committed; "
            "start a new backup after the restore"
        )


def _nothing(plan: CapturePlan, results: Sequence[StreamResult]) -> str:
    problems = [f"{one.private.name!r}: {one.private.problem}" for result in results for one in result.collections]
    return (
        f"not a single record could be read of {wording.count(len(plan.collections), 'collection')} that counted "
        f"{wording.count(plan.vectors, 'vector')}; nothing is committed. {wording.listing(problems)}"
    )
