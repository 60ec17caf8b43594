"""Aliases of the standby: those of the first server, so that nothing is left to do on the day it is needed."""

from __future__ import annotations

from collections.abc import Mapping

from backup_engine.ports import Server
from backup_engine.restore.names import is_reserved


def keep_aliases(server: Server, wanted: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """Make the aliases that are wanted and take back those that were ours and are not; others' are left alone.

    :param wanted: alias to collection
    :param ours: those that were made here before
    :return: those that are ours now
    """
    there = dict(server.aliases())
    names = {state.name for state in server.collections()}
    for alias, target in ours.items():
        if there.get(alias) == target and wanted.get(alias) != target:
            server.delete_alias(alias)
            del there[alias]
    for alias, target in wanted.items():
        if alias not in there and alias not in names and target in names and not is_reserved(alias):
            server.create_alias(alias, target)
            there[alias] = target
    return {alias: target for alias, target in wanted.items() if there.get(alias) == target}


def lacking_aliases(server: Server, wanted: Mapping[str, str]) -> dict[str, str]:
    """Tell which aliases stand for nothing, or something else, on the standby."""
    there = server.aliases()
    return {alias: target for alias, target in wanted.items() if there.get(alias) != target}
