"""What a deployment's entry says of retention, and the policies that follow from it."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from backup_engine.lengths import Duration
from backup_engine.model import Document
from backup_engine.retention.policy import IncrementalRetention, Policy, Slots
from backup_engine.tiers import Tier


class RetentionSettings(Document):
    """How long what is kept; what is left out is as the guide has it, and for incrementals as the tier has it.

    :param copies: slots of the copies, which may keep more fulls than the primary and never fewer; None: as many
    :param share_limit: share of what is kept that may go at once before a person is asked
    :param copy_grace: how long a backup that should go waits for a copy that is missing, before a person is asked
    :param second_person: whether that must be another person than the one who started the run
    """

    daily: int = Field(default=Slots().daily, ge=0, le=9999)
    weekly: int = Field(default=Slots().weekly, ge=0, le=9999)
    monthly: int = Field(default=Slots().monthly, ge=0, le=9999)
    zone: str = Policy().zone
    incremental: IncrementalRetention | None = None
    floor: Duration = Policy().floor
    set_aside: Duration = Policy().set_aside
    chosen: Duration = Policy().chosen
    copies: Slots | None = None
    share_limit: float = Field(default=0.3, gt=0, le=1)
    copy_grace: Duration = timedelta(days=7)
    second_person: bool = True

    @property
    def slots(self) -> Slots:
        """What the primary keeps."""
        return Slots(daily=self.daily, weekly=self.weekly, monthly=self.monthly)

    def policy(self, tier: Tier, *, copy: bool = False) -> Policy:
        """Give the policy of the primary, or of the copies."""
        return Policy(
            slots=(self.copies or self.slots) if copy else self.slots,
            zone=self.zone,
            incremental=self.incremental or INCREMENTAL[tier],
            floor=self.floor,
            set_aside=self.set_aside,
            chosen=self.chosen,
        )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        self.policy(Tier.PRODUCTION)
        own, other = self.slots, self.copies or self.slots
        fewer = [one for one in ("daily", "weekly", "monthly") if getattr(other, one) < getattr(own, one)]
        if fewer:
            raise ValueError(
                f"`copies` keeps fewer {' and '.join(fewer)} backups ({other}) than the primary ({own}): what the "
                "primary holds would be missing there; give at least as many"
            )
        return self


INCREMENTAL = {
    Tier.CRITICAL: IncrementalRetention(every=timedelta(hours=2)),
    Tier.PRODUCTION: IncrementalRetention(),
    Tier.DEVELOPMENT: IncrementalRetention(),
}
"""By tier: one in every 2 or 8 hours is about every eighth of those that come every 10 minutes or every hour."""
