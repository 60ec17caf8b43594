"""What reading works with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from backup_engine.capture.base_archives import BaseArchives
from backup_engine.capture.plan import CapturePlan
from backup_engine.model import Clock, Progress
from backup_engine.ports import Source
from backup_engine.storage.contract import Store

SINGLE_PAGE_BYTES = 1 << 30
"""JSON a server is asked for at once when a collection moves: it builds the text in memory, 0.3 GiB for 342 MB."""


@dataclass(frozen=True)
class Desk:
    """What reading works with.

    :param plan_key: where the plan lies; fragments go beside it
    :param token: of this attempt; no other attempt has it
    :param temporary: where to spill; None for the system's place
    """

    plan: CapturePlan
    plan_key: str
    source: Source
    store: Store
    clock: Clock
    token: str
    progress: Progress
    temporary: Path | None = None
    single_page_bytes: int = SINGLE_PAGE_BYTES

    @cached_property
    def archives(self) -> BaseArchives:
        """What collections are compared with."""
        return BaseArchives(self.store, self.temporary)
