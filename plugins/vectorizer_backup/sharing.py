"""Whether all workers see the same files: decided from the executor, before anything is touched."""

from __future__ import annotations

import re
from collections.abc import Sequence

from backup_engine.errors import ConfigurationError
from backup_engine.storage.address import StoreAddress

ON_ONE_HOST = frozenset({"LocalExecutor", "SequentialExecutor"})
"""Executors whose tasks run on the scheduler's own machine; any other may spread them over several."""


def executor_names(setting: str) -> tuple[str, ...]:
    """Take ``[core] executor`` apart: several with commas, each with its team, its alias or its module before it."""
    named = (one.strip() for one in re.split("[,;]", setting))
    return tuple(re.split("[=:.]", one)[-1] for one in named if one)


def unshared(address: StoreAddress, executors: Sequence[str]) -> str | None:
    """Tell why backups cannot lie there; None if they can.

    :param executors: as ``executor_names`` gives them
    """
    spread = [one for one in executors if one not in ON_ONE_HOST]
    if address.shared or not spread:
        return None
    return (
        f"{address.url} is a directory of one machine, and with {', '.join(spread)} tasks run on several: each would "
        "see another one, and a backup would lie in pieces. Either let `store` or `copies` in deployments.yaml name a "
        f"bucket (s3://… or gs://…), or, if every worker mounts this directory, say so: {address.url}?shared=yes"
    )


def require_shared(address: StoreAddress, executors: Sequence[str]) -> None:
    """Refuse a directory of one machine where tasks run on several.

    :raises ConfigurationError: it is one; the message says what to do
    """
    problem = unshared(address, executors)
    if problem is not None:
        raise ConfigurationError(problem)
