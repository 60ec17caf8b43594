"""One deployment: a Vectorizer and how it is protected, as ``deployments.yaml`` describes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from backup_engine import wording
from backup_engine.capture.request import SHRINK_LIMIT
from backup_engine.errors import InvalidInput
from backup_engine.lengths import Duration
from backup_engine.model import Document, ReadWay
from backup_engine.retention.settings import RetentionSettings
from backup_engine.storage.address import parse_address
from backup_engine.tiers import (
    STANDBY_COMPARISON_SCHEDULE,
    SYNC_SCHEDULE,
    TIERS,
    VERIFICATION_SCHEDULE,
    Schedule,
    Terms,
    Tier,
)


def _address(*schemes: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes:
            raise ValueError(
                f"an address starting with {' or '.join(f'{scheme}://' for scheme in schemes)} was expected"
            )
        if "@" in parts.netloc:
            raise ValueError("an address holds no user and no password: they belong into the Airflow connection")
        if not parts.netloc:
            raise ValueError("the address names no host")
        return value.rstrip("/")

    return check


def _store(value: str) -> str:
    try:
        return str(parse_address(value))
    except InvalidInput as error:
        raise ValueError(str(error)) from error


def _none_for(word: str) -> BeforeValidator:
    return BeforeValidator(lambda value: None if value == word else value)


ServerUrl = Annotated[str, AfterValidator(_address("http", "https"))]
StoreUrl = Annotated[str, AfterValidator(_store)]
ConnectionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,250}$")]
Text = Annotated[str, StringConstraints(min_length=1)]

KEEP_REPLACED = timedelta(days=7)
"""Long enough for a weekend and the week after it to show that a restore was right; until then it takes memory."""


class ServerSettings(Document):
    """The Vectorizer.

    :param connection: what Airflow uses
    :param url: what the command line uses, with credentials from its environment
    :param patience: how long a run waits for a server that is silent; by default as long as its largest known
        collection takes to load
    :param read_with: the way to read records; None (``auto``): the best that the server offers
    """

    connection: ConnectionId = "vectorizer_default"
    url: ServerUrl
    patience: Duration | None = None
    read_with: Annotated[ReadWay | None, _none_for("auto")] = None


class Scope(Document):
    """Which collections are the deployment's, as shell patterns over their names; ``exclude`` wins."""

    include: tuple[Text, ...] = ("*",)
    exclude: tuple[Text, ...] = ()


class ScheduleSettings(Document):
    """Cron schedules in UTC, where the tier's do not fit.

    :param incremental: ``never``: none is made by itself, whatever the tier says
    :param standby_comparison: when all that the standby holds is compared
    """

    full: Schedule | None = None
    incremental: Literal["never"] | Schedule | None = None
    verification: Schedule = VERIFICATION_SCHEDULE
    sync: Schedule = SYNC_SCHEDULE
    standby_comparison: Schedule = STANDBY_COMPARISON_SCHEDULE


class StandbySettings(Document):
    """A second server that every increment is applied to.

    :param connection: what Airflow uses
    :param url: what the command line uses, with credentials from its environment
    """

    connection: ConnectionId
    url: ServerUrl


class RestoreSettings(Document):
    """What a restore may do.

    :param targets: connections of other servers that may be restored to
    :param approval: whether a person is asked before an existing collection is changed
    :param second_person: whether that must be another person than the one who started the run
    :param keep_replaced: how long what a restore replaced is kept on the server; None (``never``): until released
    """

    targets: tuple[ConnectionId, ...] = ()
    approval: bool = True
    second_person: bool = True
    keep_replaced: Annotated[Duration | None, _none_for("never")] = KEEP_REPLACED


class Deployment(Document):
    """One Vectorizer and how it is protected.

    :param store: the base of the primary store; this deployment's backups lie in the folder of its name below it
    :param copies: bases of further stores that get every good backup
    :param streams: collections read at the same time
    :param standby: a second server that is kept as close behind as increments come; None: there is none
    :param retention: what is kept how long, here and in the copies
    :param shrink_limit: share of the last good backup's vectors that may be missing before a person is asked
    :param acknowledged: collections known to be unreadable; they do not make a backup partial
    :param alerts: names of the channels that are told of it; None: all there are
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    tier: Tier
    server: ServerSettings
    store: StoreUrl
    copies: tuple[StoreUrl, ...] = ()
    collections: Scope = Scope()
    streams: int = Field(default=4, ge=1, le=64)
    standby: StandbySettings | None = None
    schedule: ScheduleSettings = ScheduleSettings()
    rpo: Duration | None = None
    rto: Duration | None = None
    restore: RestoreSettings = RestoreSettings()
    retention: RetentionSettings = RetentionSettings()
    shrink_limit: float = Field(default=SHRINK_LIMIT, gt=0, le=1)
    acknowledged: tuple[Text, ...] = ()
    alerts: tuple[Text, ...] | None = None

    @property
    def root(self) -> str:
        """Where this deployment's backups lie: what the command line calls ``--store``."""
        return str(parse_address(self.store).below(self.name))

    @property
    def copy_roots(self) -> tuple[str, ...]:
        """Where its copies lie, in the order in which they are asked when the primary is gone."""
        return tuple(str(parse_address(copy).below(self.name)) for copy in self.copies)

    @property
    def roots(self) -> tuple[str, ...]:
        """The primary store and its copies."""
        return (self.root, *self.copy_roots)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        places = [parse_address(one).url for one in (self.store, *self.copies)]
        for place in places:
            if places.count(place) > 1:
                raise ValueError(f"{place} stands twice among `store` and `copies`: a copy there would be none")
        return self

    @model_validator(mode="after")
    def _standby_is_another(self) -> Self:
        own, other = self.server, self.standby
        if other is not None and (other.connection == own.connection or other.url == own.url):
            raise ValueError(
                f"`standby` is the server itself ({other.connection}, {other.url}): name a second Vectorizer"
            )
        return self

    @property
    def terms(self) -> Terms:
        """What is promised: the tier's terms with this deployment's own."""
        tier, incremental = TIERS[self.tier], self.schedule.incremental
        if incremental == "never":
            tier = tier.model_copy(update={"incremental": None})
        changes = {
            "incremental": None if incremental == "never" else incremental,
            "full": self.schedule.full,
            "rpo": self.rpo,
            "rto": self.rto,
            "verification": self.schedule.verification,
            "sync": self.schedule.sync,
        }
        return tier.model_copy(update={key: value for key, value in changes.items() if value is not None})

    @property
    def warnings(self) -> tuple[str, ...]:
        """Where this deployment cannot keep what it promises, or everything hangs on one place."""
        warnings = (*self.terms.warnings, *self._standby_warnings())
        if self.copies:
            return warnings
        alone = (
            f"all its backups lie in one place, {parse_address(self.root).url}: if that is lost, all of them are. Name "
            "another store under `copies`"
        )
        return (*warnings, alone)

    def _standby_warnings(self) -> tuple[str, ...]:
        if self.standby is None or self.terms.incremental is not None:
            return ()
        gap = wording.duration(self.terms.gap.total_seconds())
        far = (
            f"the standby {self.standby.connection} is fed by backups, which lie up to {gap} apart: it is that far "
            "behind. Let incrementals come with `schedule: {incremental: …}`"
        )
        return (far,)
