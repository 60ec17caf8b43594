"""Which of a server's collections are the deployment's."""

from __future__ import annotations

from collections.abc import Sequence

from backup_engine.capture.request import CaptureRequest
from backup_engine.capture.scope import choose_scope
from backup_engine.deployment import Deployment
from backup_engine.model import CollectionState
from backup_engine.run_key import run_key


def of_scope(deployment: Deployment, states: Sequence[CollectionState]) -> tuple[CollectionState, ...]:
    """Give those that a capture would take."""
    scope = deployment.collections
    request = CaptureRequest(
        run_key=run_key("a look"),
        deployment=deployment.name,
        store_id="",
        include=scope.include,
        exclude=scope.exclude,
    )
    return choose_scope(request, states).states
