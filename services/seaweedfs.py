"""SeaweedFS: the S3 server that keeps S3's promises best of those that come as a package (38 of 39 probes)."""

import json
import socket
import sys
from pathlib import Path
from urllib.request import urlopen

import boto3
from botocore.client import Config
from types_boto3_s3 import S3Client

from services.ports import free_ports
from services.process import ServiceProcess

ACCESS_KEY = "AKIDTESTTESTTEST"
SECRET_KEY = "secretkeytestsecretkeytest0123456789"  # noqa: S105 - opens nothing but this server on loopback
REGION = "us-east-1"

_PORTS = [f"{part}.{port}" for part in ("master", "volume", "filer", "s3") for port in ("port", "port.grpc")]
_CONFIGURATION = {
    "identities": [
        {
            "name": "admin",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
    ],
    "kms": {
        "default_provider": "local",
        "providers": {"local": {"type": "local", "enableOnDemandCreate": True}},
        "buckets": {},
    },
}


class SeaweedFS(ServiceProcess):
    """One S3 server over one directory, on loopback.

    :param home: where its objects lie
    :param identities: more of them, in SeaweedFS's own words, to try what others may not do
    """

    def __init__(self, home: Path, identities: tuple[dict[str, object], ...] = ()) -> None:
        ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        self.url = f"http://127.0.0.1:{ports['s3.port']}"
        self._identities = identities
        self._port = ports["s3.port"]
        self._topology = f"http://127.0.0.1:{ports['master.port']}/dir/status"
        command = [
            str(Path(sys.executable).parent / "weed"),
            "-logtostderr=true",
            "server",
            f"-dir={home / 'data'}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-filer",
            "-s3",
            *(f"-{option}={port}" for option, port in ports.items()),
            f"-s3.config={home / 's3.json'}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.autoCreateBucket=false",  # else a PUT into a missing bucket makes it
            "-s3.allowDeleteBucketNotEmpty=false",
            "-master.telemetry=false",
            "-master.electionTimeout=1s",  # of ten, which each restart would wait for
            "-master.volumeSizeLimitMB=1024",
            "-volume.max=100",
        ]
        super().__init__(command, home, self._listens, {"WEED_S3_SSE_KEY": "any-passphrase"})

    def start(self, deadline_seconds: float = 60.0) -> None:
        """Write its configuration, start it, and return once it answers."""
        (self.home / "data").mkdir(parents=True, exist_ok=True)
        identities = [*_CONFIGURATION["identities"], *self._identities]
        (self.home / "s3.json").write_text(json.dumps({**_CONFIGURATION, "identities": identities}))
        super().start(deadline_seconds)

    def stop(self) -> None:
        """End it at once: asked to end, it waits 15 seconds for streams that its own parts keep open."""
        self.kill()

    def environment(self, url: str | None = None) -> dict[str, str]:
        """Give what a process needs to reach it with default credentials.

        :param url: of a proxy in front of it
        """
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": url or self.url,
        }

    def connection(self, url: str | None = None) -> str:
        """Write an Airflow connection to it, as ``AIRFLOW_CONN_…`` takes it."""
        extra = {"endpoint_url": url or self.url, "region_name": REGION}
        return json.dumps({"conn_type": "aws", "login": ACCESS_KEY, "password": SECRET_KEY, "extra": extra})

    def client(self, url: str | None = None) -> S3Client:
        """Give a plain client with all rights, to make buckets and to look from outside."""
        return boto3.client(
            "s3",
            endpoint_url=url or self.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name=REGION,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", self._port)):
                return False
        try:
            self.client().list_buckets()
            with urlopen(self._topology, timeout=5) as answer:  # noqa: S310 - the master, on loopback
                return bool(json.load(answer)["Topology"]["Max"])  # the disk is there: else every read is a 500
        except Exception:  # noqa: BLE001 - its parts come up one after the other, and until then any answer may come
            return False
