"""Whether a recorded decision is an approval that counts. Airflow itself lets anybody approve their own run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

APPROVE = "Approve"
REJECT = "Reject"


def approver(decision: Mapping[str, Any] | None) -> str | None:
    """Tell who decided; None when nobody did (a task that was marked as successful records nothing)."""
    user = (decision or {}).get("responded_by_user") or {}
    return user.get("name") or user.get("id")


def rejected(decision: Mapping[str, Any] | None) -> bool:
    """Tell whether somebody said no."""
    return decision is not None and list(decision.get("chosen_options") or ()) == [REJECT]


def objection(decision: Mapping[str, Any] | None, *, requester: str | None, second_person: bool) -> str | None:
    """Tell why a decision is no approval; None when it is one.

    :param decision: what the approval task recorded
    :param requester: who started the run; None when a program did
    :param second_person: somebody else than the requester has to approve
    """
    who = approver(decision)
    if decision is None or who is None:
        return "nobody's approval is recorded"
    if list(decision.get("chosen_options") or ()) != [APPROVE]:
        return f"{who} rejected it"
    if second_person and who == requester:
        return f"{who} started this run and cannot approve it too: another person has to"
    return None
