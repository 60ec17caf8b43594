"""Whether what a capture was compared with is still all there: asked right before it is committed. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from backup_engine.archive.manifest import Base
from backup_engine.capture.results import StreamResult
from backup_engine.chain import Backups, chain_of
from backup_engine.errors import BrokenChain


def broken_chains(results: Sequence[StreamResult], backups: Backups) -> tuple[str, ...]:
    """Say which of the chains that these results build on are not whole now, a sentence each.

    :param backups: all that the store holds now, by name
    """
    bases = dict.fromkeys(
        one.summary.base for result in results for one in result.collections if one.summary.base is not None
    )
    return tuple(dict.fromkeys(why for base in bases if (why := _why_broken(base, backups)) is not None))


def _why_broken(base: Base, backups: Backups) -> str | None:
    found = backups.get(base.name)
    if found is None:
        return f"{base.name}, which it was compared with, is gone"
    if found.damaged:
        return f"{base.name}, which it was compared with, was found damaged meanwhile"
    if found.withdrawal:
        return f"{base.name}, which it was compared with, is about to be deleted"
    digests = {summary.key: summary.state_digest for summary in found.manifest.clear.collections}
    is_there = (found.folder, found.outline.run_key, digests.get(base.key))
    if is_there != (base.folder, base.run_key, base.state_digest):
        return f"{base.name}, which it was compared with, is another backup now"
    try:
        chain_of(found, base.key, backups)
    except BrokenChain as error:
        return str(error)
    return None
