"""What people are told: one message for all that one look, or one run, found new about one deployment."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from backup_engine.findings import Level
from backup_engine.freshness.concerns import Concern, Severity
from backup_engine.freshness.judgement import Protection
from backup_engine.model import Document, Moment


class Occasion(StrEnum):
    """Why somebody is told now."""

    RAISED = "raised"
    WORSE = "worse"
    REMINDER = "reminder"
    RECOVERED = "recovered"


class Told(Document):
    """A concern, and why it is told now.

    :param since: when it began, or was first seen
    """

    occasion: Occasion
    concern: Concern
    since: Moment


class Probe(Document):
    """What was tried when the alert was made, of the guide's troubleshooting list.

    :param what: disk, rights, network, server, or low-traffic window
    """

    what: str
    level: Level
    found: str
    remedy: str = ""


class RunReference(Document):
    """The run that this is about.

    :param url: its page; empty where Airflow's address is not known
    """

    dag_id: str
    run_id: str
    url: str = ""


class Alert(Document):
    """One message about one deployment.

    :param deployment: empty: about the configuration, or the watch itself
    :param protection: how it stands now; None: could not be found out, ``unknown_because`` says why
    :param restores: address of the page that restores are started from; empty where it is not known
    """

    at: Moment
    deployment: str
    told: tuple[Told, ...] = Field(min_length=1)
    protection: Protection | None = None
    unknown_because: str = ""
    probes: tuple[Probe, ...] = ()
    run: RunReference | None = None
    restores: str = ""

    @property
    def recovered(self) -> bool:
        """All it says is good news."""
        return all(one.occasion is Occasion.RECOVERED for one in self.told)

    @property
    def severity(self) -> Severity:
        """The worst that it tells; of good news, the worst that is over."""
        bad = [one for one in self.told if one.occasion is not Occasion.RECOVERED] or [*self.told]
        return max((one.concern.severity for one in bad), key=lambda one: one.rank)
