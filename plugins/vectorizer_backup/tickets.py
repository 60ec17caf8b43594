"""What tasks of one run hand on to each other: ids, addresses and totals. Plans and results lie in the store's staging.

A ticket comes from the run's first task, so the tasks after it work where that one did, whatever the configuration
says by then.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from pydantic import JsonValue

from backup_engine import wording
from backup_engine.archive.manifest import (
    BackupKind,
    BackupState,
    CollectionSummary,
    Folder,
    PrivateCollection,
    Sidecar,
    Standing,
)
from backup_engine.model import Document, Moment, ReadWay

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

T = TypeVar("T")

_MOST_REASONS = 20  # an asset event is for people: the manifest has all of them


class BackupTicket(Document):
    """One stream of one backup run.

    :param store: root URL
    :param copies: root URLs of the stores that get a copy once it is verified
    :param connection: of the server
    :param read_with: the way to read records; None: the best that the server offers
    :param rpo: seconds that the recovery point may be old, as promised; None: a run of an earlier version
    """

    deployment: str
    store: str
    store_id: str
    connection: str
    read_with: ReadWay | None = None
    rpo: float | None = None
    run_key: str
    plan_key: str
    copies: tuple[str, ...] = ()
    stream: int = 0

    def for_stream(self, stream: int) -> dict[str, JsonValue]:
        """Give the ticket of another stream of this run, as XComs hold it."""
        return self.model_copy(update={"stream": stream}).model_dump(mode="json")


class VerificationTicket(Document):
    """One backup that is to be read, and why this one.

    :param copy_of_it: whether that store is a copy
    """

    store: str
    store_id: str
    folder: Folder
    backup: str
    reason: str
    copy_of_it: bool = False


class SyncEntry(Document):
    """One backup that is to be brought to another store.

    :param action: what the engine's plan calls it
    :param source: root URL
    """

    action: str
    folder: Folder
    backup: str
    source: str
    bytes: int


class SyncTicket(Document):
    """What one worker brings to one store, in this order.

    :param target: root URL
    """

    deployment: str
    target: str
    entries: tuple[SyncEntry, ...]


class ServerChange(Document):
    """What every run that changes a server is told.

    :param store: root URL of the store that holds the backup and remembers the restore
    :param connection: of the server that is restored to
    :param read_with: the way to read its records for the comparison; None: the best that it offers
    :param lease_store: root URL of the store of the deployment that captures that server
    :param lease: name of the lease there
    :param approval: whether a person has to agree; by ``second_person`` another one than who started the run
    """

    deployment: str
    store: str
    store_id: str
    connection: str
    read_with: ReadWay | None = None
    lease_store: str
    lease: str
    restore_id: str
    approval: bool
    second_person: bool


class RestoreTicket(ServerChange):
    """One restore run.

    :param kept: how long what is replaced is kept, in words
    :param distance: how far before the time that was asked for the backup lies, in words; empty: none was asked for
    :param origin: which copy is read, why, and how old that is, in words; empty: the primary store is read
    """

    backup: str
    dry_run: bool
    kept: str
    distance: str = ""
    origin: str = ""


class Followup(StrEnum):
    """What can be done after a restore.

    * release: drop what it replaced
    * undo: bring that back
    * resume: go on with one that stopped
    """

    RELEASE = "release"
    UNDO = "undo"
    RESUME = "resume"


class FollowupTicket(ServerChange):
    """One thing that is done after one restore, and why."""

    followup: Followup
    reason: str


class PruningTicket(Document):
    """What is pruned in one store.

    :param store: root URL
    :param copy_of_it: whether that store is a copy
    :param plan_key: where in that store the plan lies
    :param asks: whether a person has to agree; by ``second_person`` another one than who started the run
    """

    deployment: str
    store: str
    store_id: str
    copy_of_it: bool
    plan_key: str
    asks: bool
    second_person: bool


class PrunedTicket(Document):
    """What was pruned in one store.

    :param store: root URL
    :param plan_key: where in that store the plan lies that was carried out, which may be a newer one
    :param spared: what was to go and was left for a reason, by name
    :param freed: bytes
    """

    store: str
    store_id: str
    plan_key: str
    deleted: int
    freed: int
    spared: dict[str, str] = {}


class BackupFacts(Document):
    """A backup in figures: the extra of its asset event, and what the tasks after the commit go by.

    :param copies: root URLs of the stores that get a copy once it is verified; each copy then has an event of its own
    :param ways: how many collections were read in which way
    :param fuzzy: how many collections were written to while they were read
    :param stored: vectors that lie in this backup itself; the others lie in those it hangs on
    :param reasons: why it is not good, the first twenty
    :param remarks: why it is a full, or what of it is stored whole, the first twenty
    :param recovery_point: when reading began of the newest good backup there is now; None: this one is not good, or not
        of the whole scope
    :param rpo_measured: seconds: what could have been lost at most until this backup was there; None: as above, or
        there was no backup before it
    """

    backup: str
    folder: Folder
    kind: BackupKind
    state: BackupState
    deployment: str
    store: str
    store_id: str
    whole_scope: bool
    label: str | None
    started_at: Moment
    captured_at: Moment
    collections: int
    vectors: int
    bytes: int
    ways: dict[ReadWay, int] = {}
    fuzzy: int = 0
    copies: tuple[str, ...] = ()
    stored: int | None = None
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    recovery_point: Moment | None = None
    rpo_measured: float | None = None

    def as_json(self) -> dict[str, JsonValue]:
        """Give what XComs and asset events can hold."""
        return self.model_dump(mode="json")


def facts_of(sidecar: Sidecar, store: str, copies: Sequence[str] = ()) -> BackupFacts:
    """Draw a backup's facts from its manifest.

    :param store: root URL of the store it lies in
    :param copies: root URLs of the stores it is to be copied to
    """
    clear, private = sidecar.manifest.clear, sidecar.manifest.private
    return BackupFacts(
        backup=clear.name,
        folder=clear.folder,
        kind=clear.kind,
        state=clear.state,
        deployment=clear.deployment,
        store=store,
        store_id=clear.store_id,
        whole_scope=clear.whole_scope,
        label=private.label,
        started_at=clear.started_at,
        captured_at=clear.captured_at,
        collections=len(clear.collections),
        vectors=clear.vectors,
        bytes=sidecar.archive.bytes,
        ways=dict(Counter(summary.way for summary in clear.collections)),
        fuzzy=sum(summary.standing is Standing.FUZZY for summary in clear.collections),
        copies=tuple(copies),
        stored=sum(summary.stored for summary in clear.collections),
        reasons=private.reasons[:_MOST_REASONS],
        remarks=private.remarks[:_MOST_REASONS],
    )


def read_table(collections: Iterable[tuple[CollectionSummary, PrivateCollection]]) -> str:
    """Write how each collection was read, as a Markdown table."""
    rows = [
        (
            private.name,
            f"{summary.vectors:,}",
            summary.way.value,
            summary.standing.value,
            "; ".join(filter(None, (private.problem, *private.notes))) or "-",
        )
        for summary, private in collections
    ]
    return wording.markdown_table(("collection", "vectors", "way", "read", "to know"), rows)


def handed_on(values: Sequence[T] | None) -> list[T]:
    """Give what the instances of a mapped task handed on, in one request.

    :param values: Airflow's sequence, which asks for item after item until one is missing and logs that as an error
    """
    return list(values[:]) if values else []


def failed_tasks(states: Mapping[str, object]) -> list[str]:
    """Name the tasks of a run that failed by themselves, in the order Airflow tells them."""
    return [task for task, state in states.items() if str(state) == "failed"]
