"""What an entry may say of retention, and what is refused before anything is touched."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from backup_engine.retention.policy import Slots
from backup_engine.retention.settings import RetentionSettings
from backup_engine.tiers import Tier


def test_nothing_said_is_what_the_guide_promises():
    policy = RetentionSettings().policy(Tier.PRODUCTION)
    assert policy.slots == Slots(daily=30, weekly=12, monthly=12)
    assert RetentionSettings().policy(Tier.PRODUCTION, copy=True) == policy


@pytest.mark.parametrize(("tier", "hours"), [(Tier.CRITICAL, 2), (Tier.PRODUCTION, 8), (Tier.DEVELOPMENT, 8)])
def test_increments_are_thinned_by_the_tier(tier: Tier, hours: int):
    assert RetentionSettings().policy(tier).incremental.every == timedelta(hours=hours)
    own = RetentionSettings.model_validate({"incremental": {"every": "4h"}})
    assert own.policy(tier).incremental.every == timedelta(hours=4)


def test_copies_may_keep_more():
    given = RetentionSettings.model_validate({"copies": {"daily": 30, "weekly": 52, "monthly": 84}})
    assert given.policy(Tier.PRODUCTION, copy=True).slots.monthly == 84
    assert given.policy(Tier.PRODUCTION).slots.monthly == 12


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"copies": {"daily": 7, "weekly": 12, "monthly": 6}}, "keeps fewer daily and monthly backups"),
        ({"daily": 0, "weekly": 0, "monthly": 0}, "at least one of them has to keep something"),
        ({"zone": "Mars/Olympus"}, "no time zone"),
        ({"daily": -1}, "greater than or equal to 0"),
        ({"floor": "soon"}, "a length of time like 90s"),
        ({"incremental": {"every": "7h"}}, "fits into it evenly"),
        ({"incremental": {"all_for": "9d", "thinned_for": "3d"}}, "shorter than"),
        ({"share_limit": 0}, "greater than 0"),
        ({"keep": 30}, "Extra inputs are not permitted"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(entry: dict[str, object], said: str):
    with pytest.raises(ValidationError, match=said):
        RetentionSettings.model_validate(entry)
