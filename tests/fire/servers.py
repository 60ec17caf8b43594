"""Servers under fire: the sandbox, or the real one of VECTORIZER_BINARY behind the sandbox's layer of faults."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Any, Protocol, Self

import requests
import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from backup_engine.vectorizer.client import VectorizerClient
from backup_engine.vectorizer.server import VectorizerServer
from backup_engine.vectorizer.settings import ClientSettings
from sandbox.connection import drop
from sandbox.faults import Faults
from sandbox.process import SandboxProcess
from sandbox.rules import Rule, Seen
from sandbox.steering import Steering
from tests.contract.servers import RealProcess

REAL = os.environ.get("VECTORIZER_BINARY", "")
_PASSED_ON = {"content-type", "retry-after"}


class Process(Protocol):
    """A server that fails on demand."""

    @property
    def url(self) -> str: ...

    def place(self, *rules: Rule) -> None: ...

    def requests(self) -> Sequence[Seen]: ...

    def applied(self) -> Sequence[int]: ...

    def clear(self) -> None: ...

    def restart(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class Fronted:
    """The real server behind the layer of faults, which ends and starts its process where a rule says restart."""

    def __init__(self, folder: Path) -> None:
        self._real = RealProcess(Path(REAL), folder)
        self._session = requests.Session()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        layer = Faults(self._forward, self, steerable=True)
        config = uvicorn.Config(layer, interface="asgi3", log_level="critical", access_log=False, lifespan="off")
        self._front = uvicorn.Server(config)
        self._thread = Thread(target=self._front.run, args=([self._socket],), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._real.start()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._front.should_exit = True
        self._thread.join(10)
        self._socket.close()
        self._real.stop()

    def place(self, *rules: Rule) -> None:
        Steering(self.url).place(*rules)

    def requests(self) -> Sequence[Seen]:
        return Steering(self.url).requests()

    def applied(self) -> Sequence[int]:
        return Steering(self.url).applied()

    def clear(self) -> None:
        Steering(self.url).clear()

    def restart(self, *, orderly: bool = True, in_steps: bool = False) -> None:
        assert not in_steps, "the real server starts as it likes"
        self._real.stop() if orderly else self._real.kill()
        self._real.start()

    def hold_loads(self, held: bool) -> None:
        assert not held, "the real server loads as it likes"

    def step(self) -> None:
        raise AssertionError("the real server starts as it likes")

    def view(self) -> dict[str, Any]:
        return {"answers": True, "coming": []}

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        query = scope["query_string"].decode()
        target = self._real.url + scope["raw_path"].decode() + (f"?{query}" if query else "")
        headers = {name: value for name, value in request.headers.items() if name == "content-type"}
        body = await request.body()
        try:
            answer = await run_in_threadpool(
                self._session.request, request.method, target, data=body, headers=headers, timeout=60
            )
        except requests.ConnectionError:
            await drop(receive)
            return
        kept = {name: value for name, value in answer.headers.items() if name.lower() in _PASSED_ON}
        await Response(answer.content, answer.status_code, kept)(scope, receive, send)


def process(folder: Path) -> Process:
    """Make a server over an empty folder; it runs inside its ``with`` block."""
    return Fronted(folder) if REAL else SandboxProcess(folder, faults=True)


def client(url: str, **settings) -> VectorizerServer:
    """Speak to a server as the product does, without pausing between attempts."""
    given = {"read_timeout": 30.0, "attempts": 3} | settings
    return VectorizerServer(VectorizerClient(url, None, ClientSettings(**given), sleep=lambda _: None))
