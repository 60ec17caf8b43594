"""How much a place held on earlier days."""

from __future__ import annotations

from pydantic import Field

from backup_engine.model import Document, Moment


class Measure(Document):
    """What one place held at the first look of a day.

    :param bytes: of everything that lies where backups lie
    """

    at: Moment
    backups: int = Field(ge=0)
    bytes: int = Field(ge=0)
