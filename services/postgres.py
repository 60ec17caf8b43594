"""PostgreSQL from a package, for an Airflow that has several workers."""

import grp
import os
import secrets
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import psycopg2  # type: ignore[import-untyped]

from services.ports import free_ports
from services.process import ServiceError, ServiceProcess

USER = DATABASE = "airflow"
NOBODY = "nobody"
PROGRAMS = Path("pgserver/pginstall/bin")
INIT_SECONDS = 60


class Postgres(ServiceProcess):
    """One server with one database, on loopback.

    PostgreSQL refuses to run as root. Then it runs as nobody, in a folder of its own below the system's temporary one,
    where nobody can read it: ``home`` and the environment it was installed into may be closed to others.

    :param home: where its log lies, and its data unless this is root
    :param password: of its one user
    """

    def __init__(self, home: Path, password: str) -> None:
        [self.port] = free_ports(1)
        self._password = password
        self._as_root = os.geteuid() == 0
        self._place = Path(tempfile.gettempdir()) / f"postgres-{secrets.token_hex(8)}" if self._as_root else home
        self._programs = (self._place if self._as_root else _packages()) / PROGRAMS
        self._data = self._place / "data"
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",  # what is lost with the machine was a test
        }
        command = [str(self._programs / "postgres"), "-D", str(self._data)]
        command += [f"--{name}={value}" for name, value in settings.items()]
        super().__init__(
            [*self._as_nobody(), *command], home, self._answers_queries, {"PATH": os.defpath, "LC_ALL": "C"}
        )
        self.log = home / "postgres.log"

    def start(self, deadline_seconds: float = 60.0) -> None:
        """Make its data when there is none, start it, and return once it answers queries."""
        self.home.mkdir(parents=True, exist_ok=True)
        if not self._data.exists():
            self._make()
        super().start(deadline_seconds)

    def stop(self) -> None:
        """Stop it. As root what it kept goes with it."""
        super().stop()
        if self._as_root:
            shutil.rmtree(self._place, ignore_errors=True)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """What SQLAlchemy finds its database by."""
        return f"postgresql+psycopg2://{USER}:{self._password}@{self.address}/{DATABASE}"

    def _make(self) -> None:
        if self._as_root:
            self._place.mkdir(mode=0o700)
            for part in ("pgserver", "pgserver.libs"):
                shutil.copytree(
                    _packages() / part, self._place / part, ignore=shutil.ignore_patterns("include", "*.py*")
                )
            shutil.chown(self._place, NOBODY)
        secret = self._place / "password"
        secret.write_text(self._password, encoding="utf-8")
        if self._as_root:
            shutil.chown(secret, NOBODY)
        command = [str(self._programs / "initdb"), "-D", str(self._data), f"--username={USER}", f"--pwfile={secret}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"]
        answer = subprocess.run(
            [*self._as_nobody(), *command],
            cwd=self._place,
            capture_output=True,
            text=True,
            timeout=INIT_SECONDS,
            check=False,
        )
        secret.unlink()
        if answer.returncode:
            raise ServiceError(f"PostgreSQL could not make its data: {answer.stderr}")

    def _as_nobody(self) -> list[str]:
        group = f"--regid={NOBODY if _is_group(NOBODY) else 'nogroup'}"
        return ["setpriv", f"--reuid={NOBODY}", group, "--clear-groups"] if self._as_root else []

    def _answers_queries(self) -> bool:
        try:
            self._create_database()
        except psycopg2.OperationalError:
            return False
        return True

    def _create_database(self) -> None:
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=USER, password=self._password, dbname="postgres", connect_timeout=2
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            connection.close()


def _packages() -> Path:
    """Tell where packages are installed. Importing this one would make folders and locks of its own."""
    found = find_spec("pgserver")
    if found is None or found.origin is None:
        raise ServiceError("PostgreSQL comes with the package pgserver, which is not installed: make install")
    return Path(found.origin).parents[1]


def _is_group(name: str) -> bool:
    return any(group.gr_name == name for group in grp.getgrall())
