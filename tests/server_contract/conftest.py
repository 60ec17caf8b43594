"""One suite, every server: the one in memory, and the client over HTTP against the sandbox or a live Vectorizer."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import pytest

from backup_engine.ports import Server
from backup_engine.vectorizer.server import VectorizerServer, connect
from backup_engine.vectorizer.settings import ClientSettings
from sandbox.process import SandboxProcess
from tests.engine.memory_server import MemoryServer
from tests.server_contract.stands import SMALL_PAGES, MemoryStand, ProcessStand

LIVE_URL = os.environ.get("VECTORIZER_URL", "").rstrip("/")


@pytest.fixture(scope="session")
def vectorizer(tmp_path_factory) -> Iterator[VectorizerServer]:
    """The sandbox, or the server that VECTORIZER_URL names: these tests delete only what they made."""
    settings = ClientSettings(page_bytes=SMALL_PAGES)
    if LIVE_URL:
        yield connect(LIVE_URL, None, settings)
        return
    with SandboxProcess(tmp_path_factory.mktemp("vectorizer")) as sandbox:
        yield connect(sandbox.url, None, settings)


@pytest.fixture(params=["memory", "vectorizer"])
def server(request) -> Server:
    """A server that others may use too."""
    if request.param == "memory":
        return MemoryServer(page_records=50)
    return request.getfixturevalue("vectorizer")


@pytest.fixture
def name(server) -> Iterator[Callable[..., str]]:
    """Makes names nobody else uses; what bears one is deleted in the end."""
    mark = uuid.uuid4().hex[:8]
    yield lambda text="docs": f"{text} {mark}"
    for alias in [alias for alias in server.aliases() if mark in alias]:
        server.delete_alias(alias)
    for state in server.collections():
        if mark in state.name:
            server.delete_collection(state.name)
    if server.collections() and any(state.vectors for state in server.collections()):
        server.flush()


@pytest.fixture(params=["memory", "sandbox"])
def own(request, tmp_path) -> Iterator[MemoryStand | ProcessStand]:
    """A server of one's own, empty at first, that can be started again."""
    stand = MemoryStand() if request.param == "memory" else ProcessStand(SandboxProcess(tmp_path / "data"))
    with stand:
        yield stand
