"""The fields of forms that are about a deployment's stores: which one to read, which ones to verify or to sync."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from airflow.sdk import Param

from backup_engine.errors import InvalidInput
from vectorizer_backup.dag_defaults import url_of

if TYPE_CHECKING:
    from backup_engine.deployment import Deployment

AUTO = "auto"
"""The primary store, and when that is gone its copies, in the order of the configuration."""

DIRECTIONS = {
    "out": "out: from the primary store to its copies, as by schedule",
    "back": "back: from the copies to the primary store, to rebuild a lost one",
    "both": "both: every store gets what another one has",
}


def places(deployment: Deployment) -> dict[str, str]:
    """Tell what people call the deployment's stores: by address, with what each is, the primary first."""
    copies = {url_of(root): f"{url_of(root)} (copy)" for root in deployment.copy_roots}
    return {url_of(deployment.root): f"{url_of(deployment.root)} (primary)", **copies}


def roots_at(deployment: Deployment, named: Sequence[str]) -> tuple[str, ...]:
    """Give the roots of the stores that were named, in the configuration's order; none named: all.

    :raises InvalidInput: one of them is no store of this deployment any more
    """
    strangers = sorted(set(named) - set(places(deployment)))
    if strangers:
        raise InvalidInput(
            f"{', '.join(strangers)}: no store of {deployment.name}; it has {', '.join(places(deployment))}"
        )
    return tuple(root for root in deployment.roots if not named or url_of(root) in named)


def reading_field(deployment: Deployment) -> dict[str, Param]:
    """Ask which store a restore reads; nothing where there is but one."""
    if not deployment.copies:
        return {}
    labels: Mapping[str, str] = {
        AUTO: "auto: the primary store; when it is gone, its copies in order",
        **places(deployment),
    }
    return {
        "read_from": Param(
            AUTO,
            type="string",
            enum=list(labels),
            values_display=labels,
            title="Read from",
            description="Where the backup is read. With auto nothing has to be known: the first store that answers and "
            "holds it undamaged is read, and the plan says which one that is, why, and how old its backup.",
        )
    }


def verifying_field(deployment: Deployment) -> dict[str, Param]:
    """Ask which stores are verified; nothing where there is but one."""
    if not deployment.copies:
        return {}
    return {
        "stores": Param(
            [],
            type=["null", "array"],
            items={"type": "string", "enum": list(places(deployment))},
            examples=list(places(deployment)),
            values_display=places(deployment),
            uniqueItems=True,
            title="Stores",
            description="Which stores to read. Leave it empty for the primary and every copy, each with its own turn.",
        )
    }


def sync_form() -> dict[str, Param]:
    """Ask which way to bring what; the answers of a scheduled run bring the copies what they lack."""
    return {
        "direction": Param(
            "out",
            type="string",
            enum=list(DIRECTIONS),
            values_display=DIRECTIONS,
            title="Direction",
            description="Nothing is deleted and no other backup is ever overwritten, whichever way. A lost primary "
            "store is made anew first (store init), then rebuilt with back.",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="On: only show what is missing or different where, in the log of plan_sync, and copy nothing.",
        ),
    }
