"""How well a deployment is protected, from what one look saw. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from backup_engine.deployment import Deployment
from backup_engine.freshness.forecasting import forecast, measured_rate, rate
from backup_engine.freshness.judgement import PlaceStanding, Protection
from backup_engine.freshness.points import good_points, newest_fresh, newest_good
from backup_engine.freshness.sighting import BackupGlance, PlaceSighting, Sighting

_WINDOW = timedelta(days=14)


def protection(deployment: Deployment, sighting: Sighting) -> Protection:
    """Tell how well it is protected now."""
    points = good_points(sighting)
    newest, fresh = next(iter(points), None), newest_fresh(points)
    restorable = fresh or newest
    a_second = rate(sighting.restores)
    whole = next((one for one in sighting.restores if one.whole and one.rate > 0), None)
    proof = next((one for one in sighting.restores if one.whole), None)
    return Protection(
        deployment=deployment.name,
        tier=deployment.tier,
        at=sighting.at,
        rpo=deployment.terms.rpo.total_seconds(),
        rpo_real=_age(fresh, sighting.at),
        rpo_achieved=_achieved([one for one in points if one.fresh], sighting.at),
        rto=deployment.terms.rto.total_seconds(),
        rto_forecast=forecast(restorable.vectors, a_second) if restorable else None,
        rto_measured=whole.seconds if whole else None,
        rate=a_second,
        rate_measured=measured_rate(sighting.restores) is not None,
        newest=newest.name if newest else None,
        newest_at=newest.started_at if newest else None,
        fresh=fresh.name if fresh else None,
        fresh_at=fresh.started_at if fresh else None,
        verified_at=_verified(fresh, sighting),
        proven=proof.backup if proof else None,
        proven_at=proof.finished_at if proof else None,
        vectors=fresh.vectors if fresh else 0,
        bytes=fresh.bytes if fresh else 0,
        seconds=fresh.seconds if fresh else 0.0,
        places=tuple(_standing(place, newest) for place in sighting.places),
    )


def _age(point: BackupGlance | None, at: datetime) -> float | None:
    return None if point is None else max(0.0, (at - point.started_at).total_seconds())


def _achieved(fresh: Sequence[BackupGlance], at: datetime) -> float | None:
    """Give the longest time without a new recovery point, of those that ended within the last two weeks."""
    if not fresh:
        return None
    begun = [one.started_at for one in fresh]
    gaps = [later - earlier for later, earlier in pairwise(begun) if later >= at - _WINDOW]
    return max(at - begun[0], *gaps, timedelta(0)).total_seconds()


def _verified(fresh: BackupGlance | None, sighting: Sighting) -> datetime | None:
    """Tell when any place last read it back."""
    everywhere = (one for place in sighting.places for one in place.backups if fresh and one.name == fresh.name)
    return max((one.verified_at for one in everywhere if one.verified_at is not None), default=None)


def _standing(place: PlaceSighting, newest: BackupGlance | None) -> PlaceStanding:
    here = newest_good(place)
    behind = (newest.started_at - here.started_at).total_seconds() if here and newest else None
    return PlaceStanding(
        url=place.url,
        copy_of_it=place.copy_of_it,
        answers=place.problem is None,
        newest_good=here.name if here else None,
        newest_good_at=here.started_at if here else None,
        behind=behind,
        backups=len(place.backups),
        bytes=place.bytes,
    )
