"""A whole capture by one worker: plan, export one stream after the other, commit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backup_engine.capture.exporting import export_stream
from backup_engine.capture.planning import prepare_capture
from backup_engine.capture.request import CaptureRequest
from backup_engine.commit import Committed, commit_capture
from backup_engine.errors import ChainBrokenMeanwhile, RestoreMeanwhile
from backup_engine.model import Clock, Progress, silent
from backup_engine.ports import Source
from backup_engine.storage.contract import Store

_MOST_STARTS = 3


def run_capture(
    request: CaptureRequest,
    source: Source,
    store: Store,
    clock: Clock,
    token: Callable[[], str],
    progress: Progress = silent,
    *,
    temporary: Path | None = None,
) -> Committed:
    """Make a backup; a run that has made one gives that one. After a restore that ran meanwhile it begins again, and
    so it does when what it was compared with went.

    :param token: makes a word that it never made before
    :param temporary: where to spill what does not fit into memory; None for the system's place
    :raises LeaseHeld: a restore of this server is running; try again after it
    """
    for _ in range(_MOST_STARTS - 1):
        try:
            return _run(request, source, store, clock, token, progress, temporary)
        except (RestoreMeanwhile, ChainBrokenMeanwhile):
            continue
    return _run(request, source, store, clock, token, progress, temporary)


def _run(
    request: CaptureRequest,
    source: Source,
    store: Store,
    clock: Clock,
    token: Callable[[], str],
    progress: Progress,
    temporary: Path | None,
) -> Committed:
    prepared = prepare_capture(request, source, store, clock, token())
    results: list[str] = []
    for stream in range(0 if prepared.already else prepared.streams):
        summary = export_stream(prepared.plan_key, stream, source, store, clock, token(), progress, temporary=temporary)
        results.append(summary.result_key)
    return commit_capture(prepared.plan_key, results, store, clock)
