import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.process import SandboxProcess
from tests.contract.client import Api
from tests.contract.servers import RealProcess, Server

LIVE_URL = os.environ.get("VECTORIZER_URL", "").rstrip("/")
BINARY = os.environ.get("VECTORIZER_BINARY", "")

NEEDS_A_PROCESS = {"start_server", "own_server", "own_api", "restarted", "locked"}
OF_THE_SANDBOX_ALONE = {"test_faults", "test_guide", "test_races", "test_sandbox_process", "test_starting"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A live server is not ours to restart; and its recordings are replayed while it is still empty."""
    if not (LIVE_URL or BINARY):
        return
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    away = {item for item in ours if _needs_the_sandbox(item)}
    config.hook.pytest_deselected(items=list(away))
    items[:] = sorted(
        (item for item in items if item not in away), key=lambda item: "test_recordings" not in item.nodeid
    )


def _needs_the_sandbox(item: pytest.Item) -> bool:
    needs_a_process = NEEDS_A_PROCESS & set(getattr(item, "fixturenames", ()))
    return item.path.stem in OF_THE_SANDBOX_ALONE or bool(LIVE_URL and needs_a_process)


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts servers with data directories of their own, and ends them all."""
    started: list[Server] = []

    def start(password: str | None = None) -> Server:
        folder = tmp_path_factory.mktemp("vectorizer")
        server: Server = (
            RealProcess(Path(BINARY), folder, password) if BINARY else SandboxProcess(folder, password=password)
        )
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def vectorizer_url(request: pytest.FixtureRequest) -> str:
    """Base address of the server most tests share; each writes to collections of its own."""
    if not LIVE_URL:
        return request.getfixturevalue("start_server")().url
    api = Api(LIVE_URL)
    if api.names() or api.get("/backups").json()["backups"]:
        pytest.exit(
            f"{LIVE_URL} holds collections or backups: the contract writes and deletes, give it a fresh server",
            returncode=2,
        )
    return LIVE_URL


@pytest.fixture
def fresh_url(request: pytest.FixtureRequest) -> str:
    """Base address of a server nobody has written to."""
    return str(request.getfixturevalue("vectorizer_url") if LIVE_URL else request.getfixturevalue("start_server")().url)


@pytest.fixture
def api(vectorizer_url: str) -> Api:
    return Api(vectorizer_url)


@pytest.fixture
def own_server(start_server: Callable[..., Server]) -> Iterator[Server]:
    """A server for one test, empty at first, that may be stopped, killed and restarted."""
    server = start_server()
    yield server
    server.stop()


@pytest.fixture
def own_api(own_server: Server) -> Api:
    return Api(own_server.url)


@pytest.fixture
def name() -> str:
    """A collection name nobody else uses."""
    return f"test-{uuid.uuid4().hex[:12]}"
