"""Stores in Google Cloud Storage: one server of each kind for all tests of a process, a prefix for each store."""

import os
import tempfile
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

from backup_engine.storage.gcs.patience import Patience
from backup_engine.storage.gcs.store import GcsStore
from services.gcs_emulators import FakeGcsServer, GcpStorageEmulator
from services.google_storage.service import GoogleStorage
from tests.storage.place import Place

BUCKET, STAGING = "backups", "backups-staging"
HASTY = Patience(connect=5, silence=5, progress=5, first_pause=0.01, longest_pause=0.05)
_numbers = count(1)
_running = {}


def server(kind=GoogleStorage):
    """Give the server of this process, or of the one it was forked from; starts it the first time."""
    if kind not in _running:
        home = tempfile.TemporaryDirectory(prefix=f"{kind.__name__}-")
        started = kind(Path(home.name))
        started.start()
        _running[kind] = (started, home)
        for bucket in (BUCKET, STAGING):
            started.client().create_bucket(bucket)
    return _running[kind][0]


def stop_servers():
    while _running:
        _, (started, home) = _running.popitem()
        started.kill()  # what it holds is thrown away
        home.cleanup()


@cache
def _client(kind, _process):
    return server(kind).client()


def client(kind=GoogleStorage):
    """Give the client of this very process: a connection must not be used on both sides of a fork."""
    return _client(kind, os.getpid())


def new_prefix():
    return f"tests/{os.getpid()}-{next(_numbers)}"


def place_of(kind, **options):
    """Make a kind of place: a server, and how its stores are opened."""

    @contextmanager
    def opened(_):
        def at(prefix):
            return GcsStore(client(kind), BUCKET, prefix, patience=HASTY, **options)

        prefix = new_prefix()
        server(kind)
        yield Place(open=lambda: at(prefix), fresh=lambda: at(new_prefix()))

    return opened


gcs = place_of(GoogleStorage)
gcs_with_staging = place_of(GoogleStorage, staging=STAGING)
GCS = {"gcs": gcs}
EMULATORS = {"fake-gcs-server": FakeGcsServer, "gcp-storage-emulator": GcpStorageEmulator}
