"""Redis from a package: what hands Airflow's tasks to Celery workers."""

import socket
import sys
from pathlib import Path

from services.ports import free_ports
from services.process import ServiceProcess


class Redis(ServiceProcess):
    """One server on loopback that keeps everything in memory.

    :param password: what clients have to say
    """

    def __init__(self, home: Path, password: str) -> None:
        [self.port] = free_ports(1)
        self._password = password
        program = str(Path(sys.executable).parent / "redis-server")
        super().__init__([program, str(home / "redis.conf")], home, self._answers_ping)

    def start(self, deadline_seconds: float = 60.0) -> None:
        """Write its configuration, start it, and return once it answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        settings = {"bind": "127.0.0.1", "port": self.port, "requirepass": self._password, "save": '""'}
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        (self.home / "redis.conf").write_text(text, encoding="utf-8")
        super().start(deadline_seconds)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def _answers_ping(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                return b"+PONG" in connection.recv(1024)
        except OSError:
            return False
