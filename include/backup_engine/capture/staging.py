"""Where a run keeps what is not a backup yet: ``.staging/<run key>/``, swept when it is committed.

Every object is create-only and carries a token of the attempt that wrote it, so attempts never meet.
"""

from __future__ import annotations

import re
from typing import TypeVar

from pydantic import ValidationError

from backup_engine.errors import DamagedArchive, InvalidInput
from backup_engine.model import Document
from backup_engine.storage.contract import Store, read_bytes

_LIMIT = 256 << 20  # bytes; a stream of 10,000 collections has about 20 MiB
_PLAN = re.compile(r"\.staging/(?P<run>[0-9a-f]{16})/[A-Za-z0-9._-]+/plan\.json\Z")

Kept = TypeVar("Kept", bound=Document)


def run_prefix(run_key: str) -> str:
    """Where everything of a run lies."""
    return f".staging/{run_key}/"


def plan_key(run_key: str, attempt: str) -> str:
    """Where an attempt's plan lies."""
    return f"{run_prefix(run_key)}{attempt}/plan.json"


def run_of(key: str) -> str:
    """Tell the run from a plan's key.

    :raises InvalidInput: it is no such key
    """
    match = _PLAN.match(key)
    if match is None:
        raise InvalidInput(f"{key!r} is not where a plan lies; give what preparing the capture returned")
    return match["run"]


def result_key(plan: str, stream: int, token: str) -> str:
    """Where a stream's result lies."""
    return f"{_folder(plan)}stream-{stream}.{token}.json"


def fragment_key(plan: str, collection: str, token: str, reading: int) -> str:
    """Where a collection's fragment lies.

    :param reading: from 1; a collection that moved is read again into another fragment
    """
    return f"{_folder(plan)}{collection}.{token}-{reading}.fragment"


def frozen_key(run_key: str) -> str:
    """Where the run's commit freezes what it works from."""
    return f"{run_prefix(run_key)}commit.json"


def keep(store: Store, key: str, document: Document) -> None:
    """Write a document, create-only."""
    store.create(key, [document.model_dump_json().encode()])


def load(store: Store, key: str, kind: type[Kept]) -> Kept:
    """Read a document.

    :raises DamagedArchive: it is none of this kind
    """
    content = read_bytes(store, key, limit=_LIMIT)
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise DamagedArchive(f"{store.url}/{key} is no {kind.__name__} as this version writes it: {error}") from error


def sweep(store: Store, run_key: str) -> None:
    """Remove everything a run has left in staging."""
    store.delete([info.key for info in store.list(run_prefix(run_key))])


def _folder(plan: str) -> str:
    return plan.removesuffix("plan.json")
