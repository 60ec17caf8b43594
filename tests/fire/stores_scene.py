"""A small deployment, its stores on a real S3 server behind the fault proxy: captured, verified, copied, restored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import boto3
import botocore.endpoint
import pytest
from botocore.config import Config

from backup_engine.catalog import Catalog
from backup_engine.commit import Committed
from backup_engine.copies.copying import copy_backup
from backup_engine.model import Metric, Quantization, system_clock
from backup_engine.records import VerificationLevel
from backup_engine.storage.address import parse_address
from backup_engine.storage.contract import Store
from backup_engine.storage.identity import init_store
from backup_engine.storage.opening import open_store
from backup_engine.storage.s3.opening import client_config
from backup_engine.verification import verify_backup
from services.fault_proxy import FaultProxy
from services.seaweedfs import ACCESS_KEY, REGION, SECRET_KEY, SeaweedFS
from tests.engine.captures import STORE_ID, capture
from tests.engine.memory_server import MemoryServer
from tests.fire.stores_outside import complaints, uploads
from tests.fire.trips import restore

BUCKET = "fire"
_RUNS = count(1)

Content = dict[str, dict[str, tuple[bytes, str | None]]]


@cache
def source() -> MemoryServer:
    """A server that is only read; its backup is uploaded in parts, joined of copied ones, and read in ranges."""
    server = MemoryServer(provider_dimension=None, page_records=5000)
    server.fill("large", 2500, dimension=1024, metric=Metric.EUCLIDEAN, quantization=Quantization.NONE)
    server.fill("small", 40, metric=Metric.EUCLIDEAN, quantization=Quantization.NONE)
    return server


def content(server: MemoryServer) -> Content:
    return {
        name: {key: (vector.tobytes(), payload) for key, (vector, payload) in one.records.items()}
        for name, one in server.live.items()
    }


@dataclass
class Ground:
    """The S3 server, the proxy before it, and somebody who looks at it from outside."""

    seaweed: SeaweedFS
    proxy: FaultProxy

    def __post_init__(self) -> None:
        self.outside = self.seaweed.client()
        self.outside.create_bucket(Bucket=BUCKET)

    def client(self, *, read_timeout: float = 20, attempts: int = 6):
        """The product's own client, in more of a hurry, and through the proxy."""
        retries = {"mode": "standard", "total_max_attempts": attempts}
        hurry = Config(connect_timeout=5, read_timeout=read_timeout, retries=retries)
        return boto3.client(
            "s3",
            endpoint_url=self.proxy.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=client_config(self.proxy.url).merge(hurry),
        )


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    with SeaweedFS(folder) as seaweed, FaultProxy(seaweed.url) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _: None))  # no pause between attempts
        yield Ground(seaweed, proxy)


@dataclass
class Journey:
    """One run from the first question to the restored server; asked again it goes on where it is.

    :param client: how it speaks to the stores
    :param lost: uploads whose number never came back, so that nobody can abort them
    """

    ground: Ground
    client: object
    server: MemoryServer = field(default_factory=source)
    clock: Callable = system_clock
    bucket: str = BUCKET
    scheme: str = "s3"
    name: str = field(default_factory=lambda: f"run-{next(_RUNS)}")
    lost: int = 0
    _attempts: int = 0

    @property
    def primary(self) -> Store:
        return self.store("primary")

    @property
    def copy(self) -> Store:
        return self.store("copy")

    def store(self, name: str) -> Store:
        return open_store(self.url(name), self.client)

    def url(self, name: str) -> str:
        return f"{self.scheme}://{self.bucket}/{self.name}/{name}"

    def __call__(self) -> Content:
        """All of it; gives what the restored server holds."""
        committed = self.capture()
        self.verify(committed)
        self.copy_out(committed)
        return self.restore(committed)

    @property
    def whole(self) -> Content:
        """What the restored server has to hold."""
        return content(self.server)

    def complaints(self, *, at_rest: bool = True) -> list[str]:
        """What somebody without this product finds wrong in both stores."""
        return complaints(self.ground.outside, self.bucket, f"{self.name}/", at_rest=at_rest)

    def sweep(self) -> None:
        """What a first write does a day later: end the uploads that nobody knows of, as the answer was lost."""
        open_ones = uploads(self.ground.outside, self.bucket, f"{self.name}/")
        assert len(open_ones) <= self.lost, f"an upload is open whose number was not lost: {open_ones}"
        if open_ones:
            assert sum(store.sweep_uploads(timedelta(0)) for store in (self.primary, self.copy)) == len(open_ones)

    def init(self) -> None:
        init_store(self.primary, "production", self.clock, lambda: STORE_ID)
        init_store(self.copy, "production", self.clock, lambda: "store-2")

    def capture(self, run: str | None = None) -> Committed:
        self.init()
        return capture(self.server, self.primary, self.clock, run or self.name, f"{self._next()}-")

    def verify(self, committed: Committed, store: Store | None = None, level=VerificationLevel.FULL):
        place = (committed.folder, committed.name)
        return verify_backup(store or self.primary, *place, level, self.clock, token=self._next())

    def copy_out(self, committed: Committed):
        to = parse_address(self.url("copy")).url
        place = (committed.folder, committed.name)
        return copy_backup(*place, self.primary, self.copy, clock=self.clock, token=self._next(), to=to)

    def restore(self, committed: Committed) -> Content:
        target = MemoryServer(provider_dimension=None)
        restore(committed.name, self.copy, target, self.clock)
        return content(target)

    def backups(self, store: Store | None = None):
        catalog = Catalog(store or self.primary, self.clock)
        assert catalog.unreadable == ()
        return catalog.backups()

    def _next(self) -> str:
        self._attempts += 1
        return f"t{self._attempts}"
