"""What there is to do on the day the standby is needed."""

from __future__ import annotations

from collections.abc import Iterator

from backup_engine import wording
from backup_engine.backup import Backup
from backup_engine.model import Clock, CollectionState, Document
from backup_engine.ports import Server
from backup_engine.restore.guard import guarded
from backup_engine.restore.view import ServerView, look
from backup_engine.standby.aliasing import lacking_aliases
from backup_engine.standby.party import Party
from backup_engine.standby.state import HeldCollection, Promotion, StandbyState, StateFile
from backup_engine.standby.status import StandbyStatus, newest_good, status_of
from backup_engine.storage.contract import Store


class FailoverPlan(Document):
    """What it means to go over to the standby now.

    :param lacks: what it does not have, a sentence each
    :param in_the_way: what speaks against it as it is, a sentence each
    :param aliases: alias to collection, those the standby lacks
    :param steps: what to do, in order
    """

    status: StandbyStatus
    standby_url: str
    lacks: tuple[str, ...]
    in_the_way: tuple[str, ...]
    aliases: dict[str, str] = {}
    steps: tuple[str, ...]


def plan_failover(store: Store, standby: str, server: Server, clock: Clock) -> FailoverPlan:
    """Tell what the standby lacks, what is in the way, and what to point at it; nothing is written anywhere."""
    status, view = status_of(store, standby, clock), look(server)
    newest, state = newest_good(store, clock), status.known
    aliases = lacking_aliases(server, newest.manifest.private.aliases) if newest else {}
    aliases = {alias: name for alias, name in aliases.items() if name in view.states}
    return FailoverPlan(
        status=status,
        standby_url=view.facts.url,
        lacks=tuple(_lacks(status, newest, view)),
        in_the_way=tuple(_in_the_way(state, view)),
        aliases=aliases,
        steps=tuple(_steps(status, view.facts.url, aliases)),
    )


def promote(party: Party) -> StandbyState:
    """Note that the standby is in use from now on: nothing is brought to it any more.

    :raises LeaseHeld: it is brought up to date this moment
    """
    with guarded(party.lease, party.owner, party.clock):
        file = StateFile(party.store, party.standby)
        state = file.state or StandbyState(deployment=party.deployment, server_url=party.server.facts().url)
        if state.promoted is not None:
            return state
        return file.write(state.model_copy(update={"promoted": Promotion(at=party.clock(), by=party.owner)}))


def demote(party: Party) -> None:
    """Let a server that was in use be a standby again, of which nothing is known: all of it is compared or loaded.

    :raises LeaseHeld: it is brought up to date this moment
    """
    with guarded(party.lease, party.owner, party.clock):
        file = StateFile(party.store, party.standby)
        if file.state is not None and file.state.promoted is not None:
            file.write(StandbyState(deployment=party.deployment, server_url=party.server.facts().url))


def _lacks(status: StandbyStatus, newest: Backup | None, view: ServerView) -> Iterator[str]:
    if status.lag is None:
        yield "as far as this store knows, nothing was ever brought to it (only the primary store does)"
        return
    yield (
        f"what was written to the first server in the last {wording.duration(status.lag.total_seconds())} "
        f"(since {wording.moment(status.at - status.lag)}), as far as no newer backup has it"
    )
    if status.waiting and status.behind is not None:
        backups = wording.count(status.waiting, "newer backup")
        yield f"{backups}, up to {status.newest}: {wording.duration(status.behind.total_seconds())} that apply brings"
    for summary, private in newest.manifest.each() if newest else ():
        if private.name not in view.states:
            yield f"the collection {private.name!r} ({wording.count(summary.vectors, 'vector')})"


def _in_the_way(state: StandbyState | None, view: ServerView) -> Iterator[str]:
    if state is None:
        return
    if state.promoted is not None:
        yield f"it was promoted already, {wording.moment(state.promoted.at)} by {state.promoted.by}"
    unfinished = state.in_flight or state.loading
    if unfinished is not None:
        names = wording.listing(map(repr, unfinished.collections))
        yield f"{names} may be between two states: a change to it was begun and is not finished; apply again"
    yield from (problem for held in state.collections if (problem := _not_as_left(held, view.states.get(held.name))))
    if state.comparison is not None and state.comparison.problems:
        yield f"the comparison of {wording.moment(state.comparison.at)} found differences"


def _not_as_left(held: HeldCollection, now: CollectionState | None) -> str | None:
    if now is None:
        return f"{held.name!r} was brought there and is not there now: it still loads, or somebody deleted it"
    if now.vectors != held.vectors:
        return f"{held.name!r} counts {now.vectors:,} vectors and was left with {held.vectors:,}"
    return f"{held.name!r}: {held.doubt}" if held.doubt else None


def _steps(status: StandbyStatus, url: str, aliases: dict[str, str]) -> Iterator[str]:
    yield "keep every writer away from the first server, also if it comes back"
    if status.waiting:
        yield f"bring the standby to {status.newest}: vectorizer-backup standby apply"
    for alias, name in sorted(aliases.items()):
        yield f"make the alias {alias!r} stand for {name!r} on the standby"
    yield "promote it, so that nothing is brought to it any more: vectorizer-backup standby failover --promote"
    yield f"point readers and writers at {url}: the load balancer, or the name they know the first server by"
    yield "exchange `server` and `standby` in deployments.yaml, so that backups are made of the one that is in use"
    yield (
        "when the old server is back and a backup of the new one is there, make it the standby: "
        "vectorizer-backup standby rejoin"
    )
