"""Keep how much each place held, a figure a day. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from backup_engine.freshness.measures import Measure
from backup_engine.freshness.sighting import PlaceSighting, Sighting

KEPT = timedelta(days=30)
"""As long as daily backups are kept."""


def measured(measures: Mapping[str, tuple[Measure, ...]], sighting: Sighting) -> dict[str, tuple[Measure, ...]]:
    """Add the first look of a day, and forget what is older than thirty days.

    A place that does not answer is not measured; one that nobody names any more is forgotten when its last figure is
    old enough.

    :param measures: by the place's url, oldest first
    """
    answering = {place.url: place for place in sighting.places if place.problem is None}
    urls = dict.fromkeys((*measures, *answering))
    added = {url: _added(measures.get(url, ()), answering.get(url), sighting.at) for url in urls}
    return {url: kept for url, kept in added.items() if kept}


def _added(known: tuple[Measure, ...], place: PlaceSighting | None, at: datetime) -> tuple[Measure, ...]:
    """Add it where the day has none; a figure from a later day was taken while a clock was wrong, and goes."""
    kept = tuple(one for one in known if at - KEPT <= one.at and one.at.date() <= at.date())
    if place is None or any(one.at.date() == at.date() for one in kept):
        return kept
    return (*kept, Measure(at=at, backups=len(place.backups), bytes=place.bytes))
