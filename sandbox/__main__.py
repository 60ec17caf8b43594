"""`python -m sandbox`: the server as a process of its own."""

import argparse
import os
import socket
import sys
from typing import get_args

import uvicorn
from pydantic import ValidationError

from sandbox.faults import CONTROL, STEPS
from sandbox.process import PASSWORD_VARIABLE, READY
from sandbox.rules import Rule
from sandbox.server import Dialect, create_app
from sandbox.starting import Loading

GRACE_SECONDS = 10


def main() -> None:
    """Serve until SIGTERM, which saves."""
    arguments = _arguments()
    app = create_app(
        arguments.data,
        os.environ.get(PASSWORD_VARIABLE),
        dialect=arguments.dialect,
        loading=arguments.loading,
        rules=arguments.fault,
        steerable=arguments.faults,
    )
    listener = socket.create_server((arguments.host, arguments.port), backlog=512)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=60,
    )
    _AnnouncingServer(config, f"{READY}http://{arguments.host}:{listener.getsockname()[1]}").run([listener])


class _AnnouncingServer(uvicorn.Server):
    """Print one line once requests are accepted."""

    def __init__(self, config: uvicorn.Config, line: str) -> None:
        super().__init__(config)
        self._line = line

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(self._line + "\n")
            sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=15002, help="0 picks a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--data", required=True, help="directory for everything that is kept")
    parser.add_argument("--dialect", choices=get_args(Dialect), default="bare")
    parser.add_argument("--loading", type=_loading, help="vectors a second of every load, or `steps`")
    parser.add_argument("--faults", action="store_true", help=f"open {CONTROL} and {STEPS}")
    parser.add_argument("--fault", action="append", type=_rule, default=[], help="a rule in JSON")
    parser.epilog = f"{PASSWORD_VARIABLE} in the environment turns authentication on, user admin."
    return parser.parse_args()


def _loading(text: str) -> Loading:
    return "steps" if text == "steps" else float(text)


def _rule(text: str) -> Rule:
    try:
        return Rule.model_validate_json(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    main()
