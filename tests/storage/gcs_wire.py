"""What happens on the wire between a store and the server: watched, and acted upon at the right moment."""

import re

from requests.adapters import HTTPAdapter

from backup_engine.storage.gcs.store import GcsStore
from tests.storage.gcs_places import BUCKET, HASTY, new_prefix, server

MIB = 1 << 20


class _Acting(HTTPAdapter):
    def __init__(self, pattern, action, skip):
        super().__init__()
        self._pattern, self._action, self._skip = pattern, action, skip

    def send(self, request, *args, **kwargs):
        if self._action and re.search(self._pattern, f"{request.method} {request.url}"):
            self._skip -= 1
            if self._skip < 0:
                action, self._action = self._action, None
                action()
        return super().send(request, *args, **kwargs)


def store_that_meets(prefix, pattern, action, *, skip=0, **options):
    """Give a store; before its first request that matches (so many left aside), somebody else does something."""
    client = server().client()
    client._http.mount("http://", _Acting(pattern, action, skip))
    return GcsStore(client, BUCKET, prefix, patience=HASTY, **options)


def new_store(prefix=None, bucket=BUCKET, token=None, patience=HASTY, **options):
    return GcsStore(server().client(token=token), bucket, prefix or new_prefix(), patience=patience, **options)


def asked(pattern):
    """Give the requests since the last reset that match, each as ``METHOD target``."""
    found = [f"{seen['method']} {seen['target']}" for seen in server().requests()]
    return [line for line in found if re.search(pattern, line)]


def content(store, key):
    return b"".join(store.read(key))


def keys(store):
    return [info.key for info in store.list("")]


def open_sessions(store):
    return [name for name in server().open_sessions() if f"gs://{BUCKET}/{name}".startswith(f"{store.url}/")]
