"""How well a deployment is protected, from what one look saw. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from backup_engine.deployment import Deployment
from backup_engine.freshness.forecasting import SWITCHING, forecast, measured_rate, rate
from backup_engine.freshness.judgement import PlaceStanding, Protection
from backup_engine.freshness.points import (
    good_points,
    is_ready,
    measured_rpo,
    newest_fresh,
    newest_full,
    newest_good,
)
from backup_engine.freshness.sighting import BackupGlance, PlaceSighting, Sighting, StandbyGlance

_WINDOW = timedelta(days=14)


def protection(deployment: Deployment, sighting: Sighting) -> Protection:
    """Tell how well it is protected now."""
    points = good_points(sighting)
    newest, fresh, full = next(iter(points), None), newest_fresh(points), newest_full(points)
    measured = measured_rpo(fresh, points) if fresh else None
    restorable = fresh or newest
    a_second = rate(sighting.restores)
    standby, behind = sighting.primary.standby, _behind(sighting.primary.standby, fresh)
    ready = behind is not None and is_ready(deployment.terms, points, standby, behind)
    whole = next((one for one in sighting.restores if one.whole and one.rate > 0), None)
    proof = next((one for one in sighting.restores if one.whole), None)
    return Protection(
        deployment=deployment.name,
        tier=deployment.tier,
        at=sighting.at,
        rpo=deployment.terms.rpo.total_seconds(),
        rpo_real=_age(fresh, sighting.at),
        rpo_achieved=_achieved([one for one in points if one.fresh], sighting.at),
        rpo_measured=measured.total_seconds() if measured is not None else None,
        rto=deployment.terms.rto.total_seconds(),
        rto_forecast=_forecast(restorable, a_second, standby_ready=ready),
        rto_measured=whole.seconds if whole else None,
        rate=a_second,
        rate_measured=measured_rate(sighting.restores) is not None,
        newest=newest.name if newest else None,
        newest_at=newest.started_at if newest else None,
        fresh=fresh.name if fresh else None,
        fresh_at=fresh.started_at if fresh else None,
        fresh_full_at=full.started_at if full else None,
        verified_at=_verified(fresh, sighting),
        standby=standby.backup if standby else None,
        standby_behind=None if behind is None else behind.total_seconds(),
        standby_ready=ready,
        proven=proof.backup if proof else None,
        proven_at=proof.finished_at if proof else None,
        vectors=fresh.vectors if fresh else 0,
        bytes=fresh.bytes if fresh else 0,
        seconds=fresh.seconds if fresh else 0.0,
        places=tuple(_standing(place, newest) for place in sighting.places),
    )


def _age(point: BackupGlance | None, at: datetime) -> float | None:
    return None if point is None else max(0.0, (at - point.started_at).total_seconds())


def _forecast(restorable: BackupGlance | None, a_second: float, *, standby_ready: bool) -> float | None:
    if restorable is None:
        return None
    loading = forecast(restorable.vectors, a_second)
    return min(loading, SWITCHING) if standby_ready else loading


def _behind(standby: StandbyGlance | None, fresh: BackupGlance | None) -> timedelta | None:
    if standby is None or standby.started_at is None or fresh is None:
        return None
    return max(timedelta(0), fresh.started_at - standby.started_at)


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
        pruned=next(iter(place.prunings), None),
        quarantined=len(place.quarantined) + len(place.future) + len(place.unreadable),
    )
