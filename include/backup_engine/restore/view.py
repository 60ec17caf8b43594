"""What a server looked like at one moment: all that planning and resuming go by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from backup_engine.model import CollectionConfiguration, CollectionState, ServerFacts
from backup_engine.ports import Source

_RENAMES_SINCE = (3, 3)  # reference: /collections/{n}/rename and native snapshots came with 3.3.0


@dataclass(frozen=True, slots=True)
class ServerView:
    """One look at a server.

    :param states: by name
    :param aliases: alias to collection
    :param configurations: of the collections that were asked about, as far as the server lists them
    """

    facts: ServerFacts
    states: Mapping[str, CollectionState]
    aliases: Mapping[str, str]
    configurations: Mapping[str, CollectionConfiguration] = field(default_factory=dict)

    @property
    def can_rename(self) -> bool:
        """Whether collections can be loaded aside and renamed into place; unknown versions are taken to be new."""
        found = re.match(r"v?(\d+)\.(\d+)", self.facts.version)
        return found is None or (int(found[1]), int(found[2])) >= _RENAMES_SINCE

    def can_snapshot(self, name: str) -> bool:
        """Whether the server can keep a copy of this collection on its disk. It would write that of a name with a slash
        in front anywhere on its machine.
        """
        return self.can_rename and not name.startswith("/")

    def can_rename_to(self, name: str) -> bool:
        """Whether a collection can be given this name later; to any name it can be created."""
        return self.can_rename and bool(name) and name == name.strip() and "/" not in name


def look(server: Source, about: Iterable[str] = ()) -> ServerView:
    """Look at the server once, writing nothing.

    :param about: names whose configuration matters; only those are asked for that the server lists (a deleted one
        that is asked for comes back broken) and could load (dimension 0 says that it could not)
    """
    states = {state.name: state for state in server.collections()}
    return ServerView(
        facts=server.facts(),
        states=states,
        aliases=dict(server.aliases()),
        configurations={
            name: server.configuration(name) for name in about if name in states and states[name].dimension
        },
    )
