"""`python -m bench.serving KEPT VECTORS DIMENSION [--repetitions N] [--pace B] [--port P]`: serve until told to end."""

import argparse
import os
import signal
import sys
import tempfile
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.parameters import COLLECTION, Kept, Shape
from bench.process import READY, RENDERED
from bench.serving.answers import Answers
from bench.serving.pieces import length_of, send


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, answers: Answers, pace: float | None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answers = answers
        self.pace = pace


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with connections that are kept."""

    protocol_version = "HTTP/1.1"
    server: _Server
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.server.answers.answer(self.command, self.path, self.headers.get_content_type(), body)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(length_of(answer.pieces)))
        self.end_headers()
        with suppress(BrokenPipeError):  # whoever fetches the newest backup only hangs up behind it
            send(self.connection, answer.pieces, self.server.pace)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer  # noqa: N815

    def log_message(self, *_args: object) -> None:
        """Say nothing: writing lines would be measured too."""


def main() -> None:
    """Render what was not rendered before, then serve."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    parser.add_argument("kept", type=Kept, choices=list(Kept))
    parser.add_argument("vectors", type=int)
    parser.add_argument("dimension", type=int)
    parser.add_argument("--repetitions", type=int, default=1, choices=range(1, 11))
    parser.add_argument("--collections", nargs="+", default=[COLLECTION], metavar="NAME")
    parser.add_argument("--pace", type=float, help="bytes a second of each answer; as fast as it can without")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rendered", type=Path, default=RENDERED)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="bench-") as data_dir:
        shape = Shape(given.kept, given.vectors, given.dimension)
        answers = Answers(given.rendered, Path(data_dir), shape, given.repetitions, given.collections)
        server = _Server(given.port, answers, given.pace)
        sys.stdout.write(f"{READY}http://127.0.0.1:{server.server_port}{os.linesep}")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
