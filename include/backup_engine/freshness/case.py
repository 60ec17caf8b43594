"""What every judge looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from backup_engine.deployment import Deployment
from backup_engine.freshness.judgement import Protection
from backup_engine.freshness.measures import Measure
from backup_engine.freshness.sighting import BackupGlance, PlaceSighting, Sighting
from backup_engine.storage.address import parse_address
from backup_engine.tiers import Terms

GRACE = timedelta(minutes=10)
"""What answers again within two looks wakes nobody."""


@dataclass(frozen=True, slots=True)
class Case:
    """One deployment, and all there is to judge it by.

    :param points: good backups, each once, newest first
    :param measures: what each place held on earlier days, by its url
    """

    deployment: Deployment
    sighting: Sighting
    protection: Protection
    points: tuple[BackupGlance, ...]
    measures: Mapping[str, tuple[Measure, ...]]

    @property
    def at(self) -> datetime:
        """When it was seen."""
        return self.sighting.at

    @property
    def terms(self) -> Terms:
        """What was promised."""
        return self.deployment.terms

    @property
    def answering(self) -> tuple[PlaceSighting, ...]:
        """The places that could be read."""
        return tuple(place for place in self.sighting.places if place.problem is None)

    @property
    def silent(self) -> tuple[PlaceSighting, ...]:
        """The places that could not."""
        return tuple(place for place in self.sighting.places if place.problem is not None)

    @property
    def created_at(self) -> datetime | None:
        """When the first of the places that answer was made a store: nothing can be older."""
        return min((place.created_at for place in self.answering if place.created_at is not None), default=None)

    @property
    def nothing_to_lose(self) -> bool:
        """The server holds no vector, and no backup was ever made of any."""
        server = self.sighting.server
        empty = server.problem is None and not server.loading and server.vectors == 0
        return empty and bool(self.answering) and not self.points

    def new(self, place: PlaceSighting) -> bool:
        """Tell whether a place without a store was never seen with one: it is to be made, or its address is wrong."""
        return place.no_store and not any(one.backups for one in self.measures.get(place.url, ()))

    def address(self, place: PlaceSighting) -> str:
        """Give a place's address as the command line takes it, quoted."""
        roots = (root for root in self.deployment.roots if parse_address(root).url == place.url)
        return f"'{next(roots, place.url)}'"

    @property
    def purpose(self) -> str:
        """What the DAG is for that brings most of the recovery points."""
        return "full_backup" if self.terms.incremental is None else "incremental_backup"

    @property
    def by_hand(self) -> str:
        """The command that makes a backup now."""
        return f"vectorizer-backup create --deployment {self.deployment.name}"

    def dag(self, purpose: str) -> str:
        """Name the DAG for a purpose, for people."""
        named = next((one.dag_id for one in self.sighting.dags if one.purpose == purpose), None)
        return named or f"the {purpose.replace('_', ' ')} DAG"

    def since(self, moment: datetime) -> timedelta:
        """Tell how long ago that was; never less than nothing."""
        return max(timedelta(0), self.at - moment)


def shown(place: PlaceSighting) -> str:
    """Name a place, for people."""
    return f"the copy {place.url}" if place.copy_of_it else f"the primary store {place.url}"


def ended(text: str) -> str:
    """Let it end one: what others say ends as they like."""
    return text if text.endswith(("?", "!")) else f"{text.rstrip('.')}."


def began(text: str) -> str:
    """Let it begin a sentence."""
    return text[:1].upper() + text[1:]
