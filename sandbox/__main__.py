"""`python -m sandbox`: the server as a process of its own."""

import argparse
import os
import socket
import sys

import uvicorn

from sandbox.process import PASSWORD_VARIABLE, READY
from sandbox.server import create_app

GRACE_SECONDS = 10


def main() -> None:
    """Serve until SIGTERM, which saves."""
    arguments = _arguments()
    app = create_app(arguments.data, os.environ.get(PASSWORD_VARIABLE))
    listener = socket.create_server((arguments.host, arguments.port), backlog=512)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
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
    parser.epilog = f"{PASSWORD_VARIABLE} in the environment turns authentication on, user admin."
    return parser.parse_args()


if __name__ == "__main__":
    main()
