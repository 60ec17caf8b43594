"""The forms people fill in: what may be asked of a run, checked before it starts.

Fields without a section stay open in the form; what is rarely needed lies in a section that starts folded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Param

from backup_engine.errors import InvalidInput
from vectorizer_backup.place_fields import reading_field, verifying_field

if TYPE_CHECKING:
    from airflow.sdk import Context

    from backup_engine.deployment import Deployment

_RARELY = "Rarely needed"
_COLLECTION = {"type": "string", "minLength": 1, "maxLength": 300}

MODES = {
    "new": "new: create what is missing, refuse names that exist",
    "merge": "merge: write the backup's records over what is there, delete nothing",
    "replace": "replace: make the collections equal to the backup; what is there now is kept aside",
}

WAYS_TO_REPLACE = {
    "beside": "beside, then swapped: no downtime, memory for two copies",
    "in-place": "in place: one copy; readers see a mixture until it is done",
}

DUE = "due"
"""What happens every day by itself; it is about no restore in particular."""

FOLLOWUPS = {
    DUE: "what is due: release what was kept long enough, as every day",
    "undo": "undo: bring back what was replaced; what was written since is lost",
    "resume": "resume: go on with a restore that stopped",
    "release": "release: drop what the restore replaced now; no undo afterwards",
}


def backup_form() -> dict[str, Param]:
    """Ask nothing that a scheduled run could not leave out."""
    return {
        "label": Param(
            None,
            type=["null", "string"],
            maxLength=200,
            title="Label",
            description="Why this backup is made, for whoever looks for it later. Kept in the backup's manifest.",
        ),
        "collections": _collections(
            "One name a line. Leave it empty for everything. A backup of chosen collections can be restored by its "
            "name, but does not count as the deployment's good backup."
        ),
        "allow_empty": Param(
            False,
            type="boolean",
            title="Allow an empty backup",
            section=_RARELY,
            description="A server without any collection is refused, because it is nearly always the wrong server or "
            "one that lost its data. Switch this on if it really is empty.",
        ),
    }


def incremental_form() -> dict[str, Param]:
    """Ask nothing that a scheduled run could not leave out. It is always of the whole scope: there is no choice."""
    form = backup_form()
    return {name: form[name] for name in ("label", "allow_empty")}


def standby_form() -> dict[str, Param]:
    """Ask whether to compare everything, which a run after a backup does not."""
    return {
        "compare": Param(
            False,
            type="boolean",
            title="Compare everything",
            description="Read all that the standby holds, and compare every record with the backup it was brought to. "
            "It is done every night anyway.",
        ),
    }


def pruning_form() -> dict[str, Param]:
    """Ask whether to delete anything. What goes is the configuration's to say: a form has no word in that."""
    return {
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="On: only show what would go and what would stay, and why, in the log of plan_pruning. Nothing "
            "is deleted and nobody is asked. Off, as by schedule: what the retention in deployments.yaml lets go of is "
            "deleted; where that is much at once, a person is asked first.",
        ),
    }


def verification_form(deployment: Deployment) -> dict[str, Param]:
    """Ask which backups to read again, and in which stores."""
    return {
        "backups": Param(
            [],
            type=["null", "array"],
            items={"type": "string", "minLength": 1, "maxLength": 100},
            uniqueItems=True,
            title="Backups",
            description="Names, one a line, or `latest`. Leave it empty to take the newest verified backup and those "
            "that were not read for longest.",
        ),
        "count": Param(
            4,
            type="integer",
            minimum=1,
            maximum=100,
            title="How many",
            description="How many fulls, and as many incrementals, to read in each store when none is named. What the "
            "newest verified backup hangs on is read with it.",
        ),
        **verifying_field(deployment),
    }


def restore_form(deployment: Deployment) -> dict[str, Param]:
    """Ask for a restore. It has no default for what to restore, and touches nothing unless told to."""
    what, where = _what_to_restore(), _where_to_restore(deployment)
    return {**what, **reading_field(deployment), **where, **_how_to_replace(), **_what_to_accept()}


def _what_to_restore() -> dict[str, Param]:
    return {
        "restore_point": Param(
            type="string",
            minLength=1,
            maxLength=100,
            title="Restore point",
            description="A backup's name; or `latest` or `latest-verified`; or a time with its zone, like "
            "2026-11-22T14:37:00Z, which finds the newest good backup that was complete by then.",
            examples=["latest-verified", "latest"],
        ),
        "dry_run": Param(
            True,
            type="boolean",
            title="Dry run",
            description="On: show what would be done and touch nothing. Look at the plan in the log of plan_restore, "
            "then start again with this switched off.",
        ),
        "collections": _collections(
            "Names as the backup has them, one a line. Leave it empty to restore all it holds."
        ),
    }


def _where_to_restore(deployment: Deployment) -> dict[str, Param]:
    own = deployment.server.connection
    targets = list(dict.fromkeys([own, *deployment.restore.targets]))
    return {
        "mode": Param(
            "new",
            type="string",
            enum=list(MODES),
            values_display=MODES,
            title="Mode",
            description="What happens to collections the server has already. Collections that are not restored stay "
            "as they are, whatever the mode.",
        ),
        "rename": Param(
            [],
            type=["null", "array"],
            items={"type": "string", "pattern": "^[^=]+=[^=]+$", "maxLength": 601},
            uniqueItems=True,
            title="Rename",
            description="OLD=NEW, one a line: restore the collection OLD under the name NEW, beside the one there is.",
        ),
        "target": Param(
            own,
            type="string",
            enum=targets,
            values_display={name: f"{name} (the server itself)" if name == own else name for name in targets},
            title="Restore to",
            description="The connection of the server to restore to. `restore.targets` in deployments.yaml lists "
            "which others are allowed.",
        ),
    }


def _how_to_replace() -> dict[str, Param]:
    return {
        "replacing": Param(
            "beside",
            type="string",
            enum=list(WAYS_TO_REPLACE),
            values_display=WAYS_TO_REPLACE,
            title="How to replace",
            section="With mode replace",
            description="Beside: the old collections answer until the new ones are complete and compared, and are kept "
            "for an undo. In place: when the server has no memory for both. It takes its own snapshot first, which an "
            "undo goes back to. Stopped halfway, readers see some of both until it is resumed or undone.",
        ),
    }


def _what_to_accept() -> dict[str, Param]:
    return {
        "allow_incomplete": Param(
            False,
            type="boolean",
            title="Accept incomplete collections",
            section=_RARELY,
            description="Let a collection that the backup holds only in part replace what the server has.",
        ),
        "allow_quantization": Param(
            False,
            type="boolean",
            title="Accept quantization",
            section=_RARELY,
            description="Let a collection that was kept as floats become SQ8 where the server cannot create it "
            "otherwise. Values then come back within one step of 255.",
        ),
    }


def after_restore_form() -> dict[str, Param]:
    """Ask what to do after which restore; the answers of a scheduled run release what is due."""
    return {
        "action": Param(
            DUE,
            type="string",
            enum=list(FOLLOWUPS),
            values_display=FOLLOWUPS,
            title="What to do",
            description="An undo shows what would be lost and asks somebody to approve it.",
        ),
        "restore": Param(
            None,
            type=["null", "string"],
            pattern="^([0-9a-f]{12}|latest)$",
            title="Restore",
            description="Which restore to undo, resume or release. Its id: 12 hex digits, in the log of its last task. "
            "Or `latest`: the newest one that began.",
            examples=["latest"],
        ),
    }


def refuse_unknown_fields(context: Context) -> None:
    """Refuse a run that was given something this DAG does not know, which Airflow would let pass in silence.

    :raises InvalidInput: a field is not in the form
    """
    known = set(context["dag"].params)
    unknown = sorted(set(context["dag_run"].conf or {}) - known)
    if unknown:
        raise InvalidInput(
            f"this run was given {', '.join(map(repr, unknown))}, which {context['dag'].dag_id} does not know; known "
            f"are {', '.join(sorted(known))}. Nothing was done: start a run with the right names"
        )


def _collections(description: str) -> Param:
    return Param(
        [],
        type=["null", "array"],  # the form marks what cannot be null as required
        items=_COLLECTION,
        uniqueItems=True,
        title="Collections",
        description=description,
    )
