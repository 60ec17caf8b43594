"""A deployment to diagnose: a server and a store that a test may spoil."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from backup_engine.alerts.alert import Probe
from backup_engine.deployment import Deployment
from backup_engine.diagnosis.diagnosing import diagnose
from backup_engine.findings import Level
from backup_engine.model import Clock, system_clock
from backup_engine.ports import Source
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import init_store
from backup_engine.storage.opening import open_store
from backup_engine.vectorizer.credentials import Credentials
from backup_engine.vectorizer.server import VectorizerServer, connect
from backup_engine.vectorizer.settings import ClientSettings
from tests.engine.captures import STORE_ID

HASTY = ClientSettings(connect_timeout=2.0, read_timeout=3.0, deadline=3.0, attempts=1)


def deployment(base: Path, url: str, **more: Any) -> Deployment:
    """One with this server and its store below this folder."""
    return Deployment.model_validate({
        "name": "production",
        "tier": "production",
        "server": {"url": url},
        "store": base.as_uri(),
        **more,
    })


def initialised(found: Deployment) -> Store:
    """Make its primary store."""
    store = open_store(found.root)
    init_store(store, found.name, system_clock, lambda: STORE_ID)
    return store


def hasty(url: str, credentials: Credentials | None = None, **limits: float) -> VectorizerServer:
    """A client that gives up soon."""
    return connect(url, credentials, replace(HASTY, **limits))


def diagnosed(
    found: Deployment,
    open_root: Callable[[str], Store] = open_store,
    open_server: Callable[[], Source] | None = None,
    seconds: float = 20.0,
    clock: Clock = system_clock,
) -> dict[str, list[Probe]]:
    """Diagnose it, and give the probes by what they are about."""
    began = time.monotonic()
    ask = open_server or (lambda: hasty(found.server.url))
    probes = diagnose(found, open_root, ask, clock, uuid4().hex[:12], seconds=seconds)
    assert time.monotonic() - began < seconds + 3
    every = {"disk": [], "rights": [], "network": [], "server": [], "low-traffic window": []}
    for probe in probes:
        assert probe.found
        assert bool(probe.remedy) == (probe.level is not Level.OK), probe
        every[probe.what].append(probe)
    assert list(dict.fromkeys(probe.what for probe in probes)) == [what for what, some in every.items() if some]
    return every


def wrong(every: dict[str, list[Probe]]) -> dict[str, list[str]]:
    """What is missing, in words, by what it is about."""
    found = {what: [one.found for one in some if one.level is Level.MISSING] for what, some in every.items()}
    return {what: words for what, words in found.items() if words}
