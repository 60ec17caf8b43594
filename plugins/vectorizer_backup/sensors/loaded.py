"""Waiting for a server that has loaded what it has."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from backup_engine.errors import NoGoodBackup, TransientError
from vectorizer_backup.forms import refuse_unknown_fields
from vectorizer_backup.hooks.vectorizer import VectorizerHook
from vectorizer_backup.limits import POKE_INTERVAL, SILENCE_TIMEOUT

if TYPE_CHECKING:
    from airflow.sdk import Context

    from backup_engine.archive.manifest import Manifest
    from backup_engine.deployment import Deployment
    from backup_engine.lease import Lease
    from backup_engine.storage.contract import Store

_BUSY_UNTIL = "busy_until"


class ServerLoadedSensor(BaseSensorOperator):
    """Waits, without holding a worker, until the server can be read; hands on why it may not have loaded after all.

    A server that starts is silent for minutes, lists a part of what it has, and is "healthy" all the while. The
    wait ends by ``server.patience``: a silent server then fails the run, one that still seems to be loading is read
    and its backup is suspect. While a restore of the server runs, which may take hours, that time does not count.

    :param deployment: whose server, compared with whose newest good backup
    """

    def __init__(self, *, deployment: Deployment, **kwargs: Any) -> None:
        super().__init__(mode="reschedule", poke_interval=POKE_INTERVAL, timeout=SILENCE_TIMEOUT, **kwargs)
        self.deployment = deployment

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        from backup_engine.catalog import Catalog
        from backup_engine.model import system_clock
        from backup_engine.readiness import assess_readiness
        from vectorizer_backup.connecting import store_of_deployment

        refuse_unknown_fields(context)
        store, _ = store_of_deployment(self.deployment)
        now = system_clock()
        lease = self._lease_of_a_restore(store)
        if lease is not None:
            self.log.info("%s restores to this server, waiting for its end", lease.owner)
            context["task_state_store"].set(_BUSY_UNTIL, now.isoformat())
            return PokeReturnValue(is_done=False)
        good = Catalog(store, system_clock).newest_good()
        last = good.manifest if good else None
        deadline = self._deadline(context, last, now)
        try:
            server = VectorizerHook(self.deployment.server.connection).get_hasty_conn()
            facts, states = server.facts(), server.collections()
        except TransientError as error:
            if now >= deadline:
                raise NoGoodBackup(f"the server stayed silent until {deadline:%H:%M:%S} UTC: {error}") from error
            self.log.warning("No answer yet, waiting until %s UTC at most: %s", f"{deadline:%H:%M:%S}", error)
            return PokeReturnValue(is_done=False)
        allow_empty = bool(context["params"].get("allow_empty"))
        found = assess_readiness(facts, states, last, now, deadline, allow_empty=allow_empty)
        for reason in found.reasons:
            self.log.warning("%s: %s", found.verdict.value, reason)
        return PokeReturnValue(is_done=found.ready, xcom_value=list(found.reasons))

    def _lease_of_a_restore(self, primary: Store) -> Lease | None:
        """Look who restores to this server: one that found the primary store gone holds its lease in a copy."""
        from backup_engine.capture.planning import RESTORE_LEASE
        from backup_engine.lease import held_by
        from backup_engine.model import system_clock
        from vectorizer_backup.connecting import places_of

        copies, _ = places_of(self.deployment.copy_roots, self.deployment)
        stores = (primary, *(place.store for place in copies))
        return next(filter(None, (held_by(store, RESTORE_LEASE, system_clock) for store in stores)), None)

    def _deadline(self, context: Context, last: Manifest | None, now: datetime) -> datetime:
        from backup_engine.readiness import patience

        began = context["ti"].get_first_reschedule_date(context) or now
        busy_until = context["task_state_store"].get(_BUSY_UNTIL)
        began = max(began, datetime.fromisoformat(str(busy_until))) if busy_until else began
        return began + (self.deployment.server.patience or patience(last.clear.vectors if last else 0))
