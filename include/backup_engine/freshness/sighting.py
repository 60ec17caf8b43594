"""What one look at a deployment saw, before anybody judges it. Lengths of time are seconds, sizes bytes."""

from __future__ import annotations

from pydantic import Field

from backup_engine.archive.manifest import BackupKind, BackupState, Folder
from backup_engine.model import Document, Moment


class BackupGlance(Document):
    """A backup as freshness sees it.

    :param seconds: reading took
    :param moving: collections that were written to while they were read
    :param left_out: collections that the configuration keeps out of it
    :param acknowledged: it was suspect, and a person said that what it lacks is meant to be gone
    :param verified_at: when every byte of it was last found right in this place; None: never, or found damaged since
    :param broken: what is wrong in this place with what it hangs on, a sentence; empty: nothing
    """

    name: str
    folder: Folder
    kind: BackupKind
    state: BackupState
    whole_scope: bool
    started_at: Moment
    captured_at: Moment
    seconds: float
    vectors: int
    collections: int
    moving: int
    bytes: int
    verified_at: Moment | None
    damaged: bool
    left_out: int = 0
    acknowledged: bool = False
    broken: str = ""

    @property
    def good(self) -> bool:
        """Good, whole, not empty, not found damaged, and so all it hangs on: what a restore would take."""
        meant = self.state is BackupState.GOOD and self.whole_scope and self.vectors > 0
        return meant and not self.damaged and not self.broken

    @property
    def fresh(self) -> bool:
        """Good, and every byte read back: the only thing that moves a recovery point."""
        return self.good and self.verified_at is not None


class StandbyGlance(Document):
    """What the primary store remembers of the standby.

    :param connection: of the standby
    :param backup: whose state it holds in whole; None: none yet
    :param started_at: when reading that backup began
    :param wrong: why it is not to be relied on, a sentence each
    """

    connection: str
    backup: str | None = None
    started_at: Moment | None = None
    wrong: tuple[str, ...] = ()


class PruningGlance(Document):
    """A pruning that was carried out.

    :param at: when it ended
    :param kept: backups that it left
    :param deleted: backups that it took away
    :param freed: bytes of their archives
    """

    at: Moment
    kept: int
    deleted: int
    freed: int


class PlaceSighting(Document):
    """One store.

    :param url: without connection and options
    :param problem: why it could not be read; None: it was
    :param no_store: it answers, and there is no store in it: new, or not mounted
    :param created_at: when it was made a store; None where it could not be read
    :param backups: newest captured first, none from the future
    :param future: backups captured later than now: a sentence each
    :param unreadable: what lies where manifests lie and is none: a sentence each
    :param bytes: of everything that lies where backups lie
    :param free_bytes: None where the store knows no limit
    :param clock_ahead: its clock minus ours when something was last written there; None where nothing tells
    :param standby: what it remembers of the standby; None: there is none, or this is a copy
    :param prunings: the newest first, as far back as sizes are compared
    :param quarantined: what is no backup of this deployment, or cannot be what it says: a sentence each; nothing that
        is among ``future`` or ``unreadable``
    :param overdue: backups that the retention would let go of; looked for only where nothing was pruned for long
    """

    url: str
    copy_of_it: bool
    problem: str | None = None
    no_store: bool = False
    created_at: Moment | None = None
    backups: tuple[BackupGlance, ...] = ()
    future: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    bytes: int = 0
    free_bytes: int | None = None
    clock_ahead: float | None = None
    standby: StandbyGlance | None = None
    prunings: tuple[PruningGlance, ...] = ()
    quarantined: tuple[str, ...] = ()
    overdue: int = 0


class ServerSighting(Document):
    """The Vectorizer.

    :param problem: why it gave no answer; None: it did
    :param loading: why it counts as still loading: a sentence each; empty: it does not
    :param collections: of the deployment's scope
    :param vectors: in those
    :param capture_bytes: room that a capture of it asks for before it begins; None where the server gave no answer
    :param clock_ahead: its clock minus ours; None where it does not tell
    """

    url: str
    problem: str | None = None
    loading: tuple[str, ...] = ()
    version: str = ""
    collections: int = 0
    vectors: int = 0
    capture_bytes: int | None = None
    clock_ahead: float | None = None


class RestoreGlance(Document):
    """A restore that was finished and compared.

    :param whole: of all that the backup holds
    :param rate: vectors a second, from the first look at the server to the last; 0.0 where the server held some of
        them already, so that it tells nothing
    """

    restore_id: str
    backup: str
    finished_at: Moment
    seconds: float
    vectors: int
    rate: float
    whole: bool


class DagSighting(Document):
    """A DAG that runs by itself, as Airflow has it; outside Airflow nothing is known of it.

    :param known: Airflow has it
    :param due: when its schedule last came; None: it has none
    :param made: a run was made for ``due``, or is under way
    """

    dag_id: str
    purpose: str
    known: bool = True
    paused: bool = False
    due: Moment | None = None
    made: bool = True


class Sighting(Document):
    """Everything one look saw of a deployment.

    :param restores: finished ones, newest first
    """

    at: Moment
    deployment: str
    places: tuple[PlaceSighting, ...] = Field(min_length=1)
    server: ServerSighting
    restores: tuple[RestoreGlance, ...] = ()
    dags: tuple[DagSighting, ...] = ()

    @property
    def primary(self) -> PlaceSighting:
        """The store that backups are made in."""
        return next(place for place in self.places if not place.copy_of_it)
