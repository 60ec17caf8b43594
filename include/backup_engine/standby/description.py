"""A standby in words: Markdown, the same in logs and on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backup_engine import wording
from backup_engine.standby.failover import FailoverPlan
from backup_engine.standby.outcome import Applied
from backup_engine.standby.plan import StandbyPlan
from backup_engine.standby.state import StandbyState, WholeComparison
from backup_engine.standby.status import StandbyStatus


def describe_plan(plan: StandbyPlan) -> str:
    """Write what bringing the standby to a backup would do."""
    head = f"**{plan.backup} (captured {wording.moment(plan.captured_at)}) to the standby {plan.server_url}**"
    rows = [[one.name, one.action.value, f"{one.vectors:,}", one.reason] for one in plan.changes]
    table = wording.markdown_table(("collection", "", "vectors", "why"), rows) if rows else "No collections."
    left = [f"left alone, none of ours: {wording.listing(map(repr, plan.untouched))}"] if plan.untouched else []
    return "\n\n".join([head, table, *left, *(f"**Not possible**: {text}" for text in plan.refusals)])


def describe_applied(applied: Applied) -> str:
    """Write what was done."""
    took = wording.duration(applied.seconds)
    if applied.already:
        return f"**The standby holds {applied.backup} already** (captured {wording.moment(applied.captured_at)})"
    head = f"**The standby was brought to {applied.backup}** (captured {wording.moment(applied.captured_at)}) in {took}"
    rows = [
        [one.name, one.action.value, f"{one.upserts:,}", f"{one.deletions:,}", f"{one.sampled:,}", one.reason]
        for one in applied.collections
    ]
    table = wording.markdown_table(("collection", "", "written", "deleted", "looked at again", "why"), rows)
    kept = [f"what was replaced is kept on the server: release {one}" for one in applied.kept_aside]
    return "\n\n".join([head, table, *kept])


def describe_comparison(found: WholeComparison) -> str:
    """Write what comparing all of it found."""
    if not found.problems:
        return f"**The standby holds {found.backup}**: {wording.count(found.compared, 'record')} compared, all right"
    return "\n\n".join([f"**The standby does not hold {found.backup}**", _list(found.problems)])


def describe_status(status: StandbyStatus) -> str:
    """Write how far behind it is."""
    state = status.known
    if state is None or state.backup is None or status.lag is None:
        return f"**Standby {status.standby}**: nothing was brought to it yet, as far as this store knows"
    head = f"**Standby {status.standby}**, {state.server_url}: {wording.duration(status.lag.total_seconds())} behind"
    return "\n\n".join([head, _list(_facts(status, state))])


def describe_failover(plan: FailoverPlan) -> str:
    """Write what going over to the standby means, and what to do."""
    sections = [
        f"**Failover to {plan.standby_url}**",
        _section("It lacks", plan.lacks),
        _section("In the way", plan.in_the_way),
        "\n".join(["What to do:", "", *(f"{number}. {step}" for number, step in enumerate(plan.steps, 1))]),
    ]
    return "\n\n".join(filter(None, sections))


def _facts(status: StandbyStatus, state: StandbyState) -> Iterator[str]:
    if state.captured_at and state.applied_at:
        applied = wording.moment(state.applied_at)
        yield f"holds {state.backup}, captured {wording.moment(state.captured_at)}, since {applied}"
    vectors = sum(one.vectors for one in state.collections)
    yield f"{wording.count(len(state.collections), 'collection')}, {wording.count(vectors, 'vector')}"
    if status.waiting:
        yield f"{wording.count(status.waiting, 'newer backup')} to bring to it, up to {status.newest}"
    if state.promoted:
        yield f"promoted {wording.moment(state.promoted.at)} by {state.promoted.by}: nothing is brought to it any more"
    if state.in_flight or state.loading:
        yield "a change to it was begun and is not finished"
    yield from (f"{one.name!r} is loaded anew next time: {one.doubt}" for one in state.collections if one.doubt)
    if state.comparison is None:
        yield "never compared as a whole"
    else:
        outcome = "not right" if state.comparison.problems else "all right"
        compared = wording.count(state.comparison.compared, "record")
        yield f"compared as a whole {wording.moment(state.comparison.at)}: {compared}, {outcome}"


def _section(title: str, lines: Iterable[str]) -> str:
    text = _list(lines)
    return f"{title}:\n\n{text}" if text else ""


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
