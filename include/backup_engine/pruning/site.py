"""A store whose old backups may go, and what is around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from backup_engine.deployment import Deployment
from backup_engine.retention.policy import Policy
from backup_engine.storage.address import parse_address
from backup_engine.storage.contract import Store

NO_GRACE = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A store that is pruned.

    :param policy: by which it is
    :param copy_of_it: whether it is a copy, and no primary store
    :param primary: where it is a copy: the primary store; None: that one does not answer, so nothing goes here
    :param copies: where it is the primary: each copy by its address for people; None: it does not answer
    :param copy_grace: how long a backup that should go waits for a copy before a person is asked
    :param share_limit: share of the sound backups that may go before a person is asked
    """

    store: Store
    policy: Policy
    copy_of_it: bool = False
    primary: Store | None = None
    copies: Mapping[str, Store | None] | None = None
    copy_grace: timedelta = NO_GRACE
    share_limit: float = 1.0


def site_of(deployment: Deployment, root: str, stores: Mapping[str, Store]) -> Site:
    """Describe one of a deployment's stores.

    :param root: that store's root, the deployment's primary one or a copy's
    :param stores: those that answer, by root
    """
    settings, copy_of_it = deployment.retention, root != deployment.root
    return Site(
        store=stores[root],
        policy=settings.policy(deployment.tier, copy=copy_of_it),
        copy_of_it=copy_of_it,
        primary=stores.get(deployment.root) if copy_of_it else None,
        copies={} if copy_of_it else {parse_address(one).url: stores.get(one) for one in deployment.copy_roots},
        copy_grace=settings.copy_grace,
        share_limit=settings.share_limit,
    )
