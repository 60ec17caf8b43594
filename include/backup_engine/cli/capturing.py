"""A whole capture from the command line: wait until the server has loaded, then read, then commit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Event

from backup_engine.archive.manifest import Manifest
from backup_engine.capture.request import CaptureRequest
from backup_engine.catalog import Catalog
from backup_engine.cli.context import find_deployment, new_token
from backup_engine.cli.output import ProgressLines, say
from backup_engine.commit import Committed
from backup_engine.model import Clock, system_clock
from backup_engine.ports import Source
from backup_engine.readiness import Verdict, assess_readiness, patience
from backup_engine.run import run_capture
from backup_engine.run_key import random_run_key
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import read_identity

_BETWEEN_LOOKS = timedelta(seconds=2)


def request_of(
    store: Store,
    deployment: str | None,
    *,
    chosen: tuple[str, ...],
    label: str | None,
    allow_empty: bool,
    incremental: bool = False,
) -> CaptureRequest:
    """Make the request: the deployment's own terms when it is named, else all that the server has."""
    identity = read_identity(store)
    request = CaptureRequest(
        run_key=random_run_key(),
        deployment=identity.deployment,
        store_id=identity.store_id,
        label=label,
        collections=chosen or None,
        allow_empty=allow_empty,
        incremental=incremental,
        streams=1,
    )
    if deployment is None:
        return request
    terms = find_deployment(deployment)
    return request.model_copy(
        update={
            "include": terms.collections.include,
            "exclude": terms.collections.exclude,
            "acknowledged": terms.acknowledged,
            "shrink_limit": terms.shrink_limit,
        }
    )


def capture(request: CaptureRequest, source: Source, store: Store) -> Committed:
    """Make one backup of the server, with progress on standard error."""
    good = Catalog(store, system_clock).newest_good()
    suspicions = await_loaded(source, good.manifest if good else None, request.allow_empty, system_clock, _pause)
    request = request.model_copy(update={"suspicions": suspicions})
    return run_capture(request, source, store, system_clock, new_token, ProgressLines())


def await_loaded(
    source: Source, last: Manifest | None, allow_empty: bool, clock: Clock, pause: Callable[[timedelta], None]
) -> tuple[str, ...]:
    """Wait until the server can be read, at most as long as its last known data takes to load.

    :return: why it may not have loaded after all, if the wait ended that way
    """
    deadline = clock() + patience(last.clear.vectors if last else 0)
    said: datetime | None = None
    while True:
        now = clock()
        found = assess_readiness(source.facts(), source.collections(), last, now, deadline, allow_empty=allow_empty)
        if found.ready:
            return found.reasons if found.verdict is Verdict.SUSPECT else ()
        if said is None or now - said > timedelta(seconds=30):
            say(f"waiting for the server to load: {found.reasons[0]}")
            said = now
        pause(_BETWEEN_LOOKS)


def _pause(length: timedelta) -> None:
    Event().wait(length.total_seconds())
