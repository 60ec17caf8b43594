"""Whether the server still is what the plan was made for. Between plan and execution lies an approval, often hours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from backup_engine import wording
from backup_engine.errors import InvalidInput, RestoreRefused, ServerLoading
from backup_engine.readiness import assess_readiness, started_since
from backup_engine.restore.plan import Action, PlannedCollection, RestorePlan
from backup_engine.restore.view import ServerView


def check_address(plan: RestorePlan, view: ServerView) -> None:
    """Make sure that it is the server the plan names: on another one, the same names mean other data.

    :raises InvalidInput: it is another address
    """
    if plan.server_url != view.facts.url:
        raise InvalidInput(
            f"restore {plan.request.restore_id} was planned for {plan.server_url}, not for {view.facts.url}; "
            "use the address of the plan, or plan again"
        )


def check_assumptions(plan: RestorePlan, view: ServerView) -> None:
    """Make sure, before the first change, that every collection is there or not there as the plan says.

    :raises RestoreRefused: something moved; the message holds all of it
    """
    moved = [problem for item in plan.collections for problem in _moved(item, view)]
    if moved:
        raise RestoreRefused(f"the server changed since the plan was made: {'; '.join(moved)}; plan again")


def check_loaded(began: datetime, view: ServerView, now: datetime) -> None:
    """Make sure that a server which started since the restore began lists everything again. What a restore goes on
    with is told from what is listed, and a collection that is still being loaded looks like one that is gone.

    :param began: when the restore made its first change
    :raises ServerLoading: it may still be loading
    """
    states = tuple(view.states.values())
    if started_since(began, view.facts, states, {}, now) is False:
        return
    readiness = assess_readiness(view.facts, states, None, now, datetime.max.replace(tzinfo=UTC))
    if not readiness.ready:
        reasons = wording.listing(readiness.reasons)
        raise ServerLoading(f"{view.facts.url} started since the restore began and may still be loading: {reasons}")


def _moved(item: PlannedCollection, view: ServerView) -> Iterator[str]:
    state = view.states.get(item.target)
    if item.action is Action.CREATE:
        if state is not None:
            yield f"{item.target!r} exists now"
        elif item.target in view.aliases:
            yield f"{item.target!r} is an alias of {view.aliases[item.target]!r} now"
    elif state is None and item.before not in view.states:
        yield f"{item.target!r} is gone"
    elif state is not None and item.action is Action.MERGE and state.dimension != item.configuration.dimension:
        yield f"{item.target!r} has {state.dimension} dimensions now instead of {item.configuration.dimension}"
