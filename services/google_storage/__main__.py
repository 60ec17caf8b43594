"""``python -m services.google_storage --port PORT --home DIRECTORY``: serve until it is ended."""

import argparse
import shutil
from datetime import UTC, datetime
from pathlib import Path

from services.google_storage.api import Api
from services.google_storage.buckets import Buckets
from services.google_storage.control import Control
from services.google_storage.serving import GoogleStorageServer

REWRITTEN_AT_ONCE = 4 << 20
"""Small, so that tests meet rewrite tokens."""


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="google_storage")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--rewritten-at-once", type=int, default=REWRITTEN_AT_ONCE)
    asked = parser.parse_args()
    folder = asked.home / "contents"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    buckets, control = Buckets(lambda: datetime.now(UTC)), Control()
    api = Api(buckets, control, folder, asked.rewritten_at_once)
    GoogleStorageServer(asked.port, api, buckets, control).serve_forever()


if __name__ == "__main__":
    main()
