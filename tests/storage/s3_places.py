"""Stores in S3: one SeaweedFS for all tests of a process, and a prefix of its own for each store."""

import os
import tempfile
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import boto3

from backup_engine.storage.address import Scheme
from backup_engine.storage.layout import Layout
from backup_engine.storage.s3.opening import client_config
from backup_engine.storage.s3.store import S3Store
from services.seaweedfs import ACCESS_KEY, REGION, SECRET_KEY, SeaweedFS
from tests.storage.place import Place

BUCKET, STAGING = "backups", "backups-staging"
WRITER_ONLY, READER = ("AKIDWRITER", "secret-of-the-writer"), ("AKIDREADER", "secret-of-the-reader")
_IDENTITIES = (
    {
        "name": "writer",
        "credentials": [{"accessKey": WRITER_ONLY[0], "secretKey": WRITER_ONLY[1]}],
        "actions": [f"Write:{BUCKET}"],
    },
    {
        "name": "reader",
        "credentials": [{"accessKey": READER[0], "secretKey": READER[1]}],
        "actions": [f"Read:{BUCKET}", f"List:{BUCKET}"],
    },
)
_session = boto3.session.Session()
_numbers = count(1)
_running = []


def server():
    """Give the server of this process, or of the one it was forked from; starts it the first time."""
    if not _running:
        home = tempfile.TemporaryDirectory(prefix="seaweedfs-")
        started = SeaweedFS(Path(home.name), _IDENTITIES)
        started.start()
        _running.append((started, home))
        for bucket in (BUCKET, STAGING):
            started.client().create_bucket(Bucket=bucket)
    return _running[0][0]


def stop_server():
    while _running:
        started, home = _running.pop()
        started.kill()  # what it holds is thrown away
        home.cleanup()


def new_client(key=(ACCESS_KEY, SECRET_KEY), *, url=None, **settings):
    """Make a client as the product does."""
    config = client_config(url or server().url)
    return _session.client(
        "s3",
        endpoint_url=url or server().url,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        region_name=REGION,
        config=config.merge(type(config)(**settings)),
    )


@cache
def _client(_process):
    return new_client()


def client():
    """Give the client of this very process: a connection must not be used on both sides of a fork."""
    return _client(os.getpid())


def new_prefix():
    return f"tests/{os.getpid()}-{next(_numbers)}"


@contextmanager
def s3(_):
    def at(prefix):
        return S3Store(client(), Layout(Scheme.S3, BUCKET, prefix))

    prefix = new_prefix()
    server()
    yield Place(open=lambda: at(prefix), fresh=lambda: at(new_prefix()))


@contextmanager
def s3_with_staging(_):
    def at(prefix):
        return S3Store(client(), Layout(Scheme.S3, BUCKET, prefix, STAGING), sse="AES256")

    prefix = new_prefix()
    server()
    yield Place(open=lambda: at(prefix), fresh=lambda: at(new_prefix()))


S3 = {"s3": s3}
