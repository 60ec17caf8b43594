"""Who brings what: the steps of a sync plan, shared out among workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from backup_engine import wording
from vectorizer_backup.dag_defaults import url_of
from vectorizer_backup.tickets import SyncEntry, SyncTicket

if TYPE_CHECKING:
    from backup_engine.copies.planning import SyncStep

MOST_GROUPS = 1000
"""Airflow maps a task over 1,024 at most."""

_MOST_ROWS = 200


def share_out(deployment: str, steps: Iterable[SyncStep], streams: int) -> list[SyncTicket]:
    """Make groups of a sync plan's steps, up to ``streams`` for each store that gets something.

    The groups of one store hold about as many bytes each; within a group the plan's order stays.
    """
    targets: dict[str, list[SyncStep]] = {}
    for step in steps:
        targets.setdefault(step.target, []).append(step)
    most = max(1, min(streams, MOST_GROUPS // max(1, len(targets))))
    return [
        SyncTicket(deployment=deployment, target=target, entries=tuple(map(_entry, group)))
        for target, those in targets.items()
        for group in _balanced(those, most)
    ]


def what_is_missing(steps: Iterable[SyncStep], planned: Iterable[Mapping[str, object]]) -> tuple[list[str], int]:
    """Compare what still would have to be done with what a run had planned.

    :param planned: its tickets
    :return: a sentence for each planned step that is not done, and how many more there are: backups made meanwhile
    """
    tickets = [SyncTicket.model_validate(ticket) for ticket in planned]
    known = {(ticket.target, entry.folder, entry.backup) for ticket in tickets for entry in ticket.entries}
    left = list(steps)
    missing = [step for step in left if (step.target, step.folder, step.backup) in known]
    return [f"{step.backup} in {url_of(step.target)} ({step.reason})" for step in missing], len(left) - len(missing)


def sync_table(steps: Sequence[SyncStep]) -> str:
    """Write what would be brought where, and why, as a Markdown table."""
    rows = [
        (
            f"{step.folder.value}/{step.backup}",
            step.action.value,
            url_of(step.source),
            url_of(step.target),
            wording.size(step.bytes),
            step.reason,
        )
        for step in steps[:_MOST_ROWS]
    ]
    more = f"\n\nand {len(steps) - _MOST_ROWS:,} more" if len(steps) > _MOST_ROWS else ""
    return wording.markdown_table(("backup", "what", "from", "to", "size", "why"), rows) + more


def _balanced(steps: Sequence[SyncStep], most: int) -> list[list[SyncStep]]:
    """Put the largest first, each where least lies."""
    groups: list[list[int]] = [[] for _ in range(min(most, len(steps)))]
    loads = [0] * len(groups)
    for index in sorted(range(len(steps)), key=lambda one: -steps[one].bytes):
        least = loads.index(min(loads))
        groups[least].append(index)
        loads[least] += steps[index].bytes + 1  # steps without bytes count too
    return [[steps[index] for index in sorted(group)] for group in groups]


def _entry(step: SyncStep) -> SyncEntry:
    return SyncEntry(
        action=step.action.value, folder=step.folder, backup=step.backup, source=step.source, bytes=step.bytes
    )
