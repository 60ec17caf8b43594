import os
from collections.abc import Callable, Iterator

import pytest

from backup_engine.vectorizer.client import VectorizerClient
from backup_engine.vectorizer.credentials import Credentials
from backup_engine.vectorizer.settings import ClientSettings
from sandbox.process import SandboxProcess
from tests.vectorizer.raw_server import RawServer


class Time:
    """A clock that only pauses move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def make_client(httpserver, time) -> Iterator[Callable[..., VectorizerClient]]:
    """Makes clients of the fake server, or of ``url``; settings by name."""
    made: list[VectorizerClient] = []

    def make(url: str | None = None, credentials: Credentials | None = None, **settings) -> VectorizerClient:
        address = url or httpserver.url_for("/")
        chosen = ClientSettings(**settings)
        made.append(VectorizerClient(address, credentials, chosen, sleep=time.sleep, clock=time))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make_client) -> VectorizerClient:
    return make_client()


@pytest.fixture
def raw_server() -> Iterator[Callable[[bytes], RawServer]]:
    """Starts servers that answer every request with the same bytes and close the connection."""
    started: list[RawServer] = []

    def start(answer: bytes, **behaviour) -> RawServer:
        started.append(RawServer(answer, **behaviour))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def vectorizer_url(tmp_path_factory) -> Iterator[str]:
    """A Vectorizer: the sandbox, or the one VECTORIZER_URL names (these tests delete only what they made)."""
    live = os.environ.get("VECTORIZER_URL", "").rstrip("/")
    if live:
        yield live
        return
    with SandboxProcess(tmp_path_factory.mktemp("vectorizer")) as sandbox:
        yield sandbox.url
