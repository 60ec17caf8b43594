from collections.abc import Callable, Iterator

import pytest

from tests.contract.client import Api
from tests.contract.servers import Server

PASSWORD = "a-long-Pass-word-1!"


@pytest.fixture(scope="module")
def locked(start_server: Callable[..., Server]) -> Iterator[Api]:
    server = start_server(PASSWORD)
    yield Api(server.url)
    server.stop()


def log_in(api: Api, password: str = PASSWORD, user: str = "admin"):
    return api.post("/auth/login", {"username": user, "password": password})


def as_admin(api: Api) -> Api:
    return Api(api.url, {"Authorization": f"Bearer {log_in(api).json()['access_token']}"})


def api_key(api: Api) -> str:
    body = {"name": "test", "permissions": ["read", "write"]}
    return as_admin(api).post("/auth/keys", body).json()["api_key"]


@pytest.mark.parametrize("path", ["/collections", "/status", "/stats", "/backups", "/qdrant/aliases"])
def test_without_credentials_everything_but_health_is_401(locked: Api, path: str) -> None:
    response = locked.get(path)
    assert response.status_code == 401
    assert response.json()["error"] == "unauthorized"
    assert locked.get("/health").status_code == 200


@pytest.mark.parametrize("path", ["/nosuch", "/api/status", "/backups/x"])
def test_a_path_that_is_not_there_is_404_for_anybody(locked: Api, path: str) -> None:
    assert locked.get(path).status_code == as_admin(locked).get(path).status_code == 404


def test_the_server_says_who_a_token_is(locked: Api) -> None:
    expected = {"user_id": "admin", "username": "admin", "roles": ["Admin"]}
    assert as_admin(locked).get("/auth/me").json() == expected


def test_a_login_gives_a_bearer_token_for_an_hour_and_two_secure_cookies(locked: Api) -> None:
    response = log_in(locked)
    body = response.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert body["access_token"].count(".") == 2
    cookies = response.headers["set-cookie"]
    assert cookies.count("Secure") == 2
    assert "vectorizer_session=" in cookies
    assert "XSRF-TOKEN=" in cookies


def test_a_token_opens_everything_the_server_has(locked: Api) -> None:
    admin = as_admin(locked)
    assert admin.get("/collections").status_code == 200
    assert admin.post("/backups/create", {"name": "x"}).status_code == 200


def test_a_key_opens_the_data_but_not_the_backups(locked: Api) -> None:
    with_key = Api(locked.url, {"X-API-Key": api_key(locked)})
    assert with_key.get("/collections").status_code == 200
    assert with_key.get("/backups").status_code == 200
    for path in ("/backups/create", "/backups/restore"):
        response = with_key.post(path, {"name": "x"})
        assert response.status_code == 403
        assert response.json() == {"error": "forbidden", "message": "Admin access required"}


def test_a_key_is_taken_bare_but_not_as_bearer(locked: Api) -> None:
    key = api_key(locked)
    assert Api(locked.url, {"Authorization": key}).get("/status").status_code == 200
    assert Api(locked.url, {"Authorization": f"Bearer {key}"}).get("/status").status_code == 401


def test_a_key_beyond_its_rate_is_401_and_a_token_is_not(locked: Api) -> None:
    with_key = Api(locked.url, {"X-API-Key": api_key(locked)})
    statuses = [with_key.get("/status").status_code for _ in range(101)]
    assert statuses == [200] * 100 + [401]
    assert as_admin(locked).get("/status").status_code == 200


def test_five_wrong_passwords_lock_the_user_out(locked: Api) -> None:
    assert [log_in(locked, "wrong", "somebody").status_code for _ in range(5)] == [401] * 5
    response = log_in(locked, "wrong", "somebody")
    assert response.status_code == 429
    assert response.json()["error"] == "rate_limited"
    assert log_in(locked).status_code == 200


def test_a_token_survives_a_restart_and_a_key_does_not(start_server: Callable[..., Server]) -> None:
    server = start_server(PASSWORD)
    api = Api(server.url)
    admin, key = as_admin(api), api_key(api)
    server.restart()
    assert admin.get("/status").status_code == 200
    assert Api(server.url, {"X-API-Key": key}).get("/status").status_code == 401
    server.stop()
