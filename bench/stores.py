"""An S3 server as the place backups go to, beside what is measured."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cores import on_cores, other_cores
from bench.parameters import BUCKET
from bench.process import FOLDER
from services.seaweedfs import SeaweedFS


@contextmanager
def s3_server(folder: Path = FOLDER) -> Iterator[None]:
    """Run SeaweedFS with an empty bucket; processes started meanwhile reach it by their environment.

    :param folder: its objects lie below it while it runs
    """
    before = dict(os.environ)
    folder.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="seaweedfs-", dir=folder) as home:
        server = SeaweedFS(Path(home))
        try:
            with on_cores(other_cores()):
                server.start()
            server.client().create_bucket(Bucket=BUCKET)
            os.environ.update(server.environment())
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
            server.stop()
