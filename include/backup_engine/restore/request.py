"""What somebody asks a restore to do."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from backup_engine.model import Document


class RestoreMode(StrEnum):
    """What happens to what the server has already.

    * new: nothing; a name that exists is refused
    * merge: records of the backup are written over or beside what is there; nothing is deleted
    * replace: the named collections become what the backup holds, later additions go; other collections stay
    """

    NEW = "new"
    MERGE = "merge"
    REPLACE = "replace"


class RestoreRequest(Document):
    """One restore, before anybody looked at the server.

    :param restore_id: 12 hex digits; names what the restore holds aside on the server and its plan in the store
    :param backup: the backup's name, resolved already (no ``latest``, no time)
    :param collections: names as the backup has them; None: all it holds
    :param rename: name in the backup to name on the server
    :param allow_incomplete: replace also with a collection of which the backup holds less than the server counted
    :param in_place: with mode replace: write over the live collection instead of loading a second one beside it; the
        undo is the server's own snapshot
    :param allow_quantization: let a collection that was kept as floats become SQ8 where the server cannot do else
    """

    restore_id: str = Field(pattern=r"^[0-9a-f]{12}$")
    backup: str
    collections: tuple[str, ...] | None = None
    rename: dict[str, str] = {}
    mode: RestoreMode = RestoreMode.NEW
    in_place: bool = False
    allow_incomplete: bool = False
    allow_quantization: bool = False
