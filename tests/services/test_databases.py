"""PostgreSQL and Redis come up from packages, let only those in who know the password, and leave nothing."""

import socket
import tempfile
from pathlib import Path

import psycopg2
import pytest

from services.postgres import DATABASE, USER, Postgres
from services.redis import Redis


def _query(postgres: Postgres, password: str) -> str:
    connection = psycopg2.connect(
        host="127.0.0.1", port=postgres.port, user=USER, password=password, dbname=DATABASE, connect_timeout=5
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_encoding")
            return cursor.fetchone()[0]
    finally:
        connection.close()


def _left() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("postgres-*"))


def test_postgres_answers_who_knows_the_password_again_after_a_kill_and_leaves_nothing(tmp_path: Path) -> None:
    before = _left()
    with Postgres(tmp_path / "postgres", "secret") as postgres:
        assert _query(postgres, "secret") == "UTF8"
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            _query(postgres, "wrong")
        postgres.kill()
        postgres.start()
        assert _query(postgres, "secret") == "UTF8"
    with pytest.raises(psycopg2.OperationalError):
        _query(postgres, "secret")
    assert _left() <= before


def _ask(redis: Redis, *commands: str) -> bytes:
    with socket.create_connection(("127.0.0.1", redis.port), timeout=5) as connection:
        connection.sendall("".join(f"{command}\r\n" for command in commands).encode())
        return connection.recv(1024)


def test_redis_answers_who_knows_the_password(tmp_path: Path) -> None:
    with Redis(tmp_path / "redis", "secret") as redis:
        assert _ask(redis, "AUTH secret", "PING").endswith(b"+PONG\r\n")
        assert _ask(redis, "PING").startswith(b"-NOAUTH")
    with pytest.raises(OSError, match="refused"):
        _ask(redis, "PING")
