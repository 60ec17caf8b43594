import json

import pytest
import requests
from werkzeug import Request, Response

from backup_engine import PRODUCT_VERSION
from backup_engine.errors import (
    AuthenticationFailed,
    ConfigurationError,
    RequestRefused,
    ServerBusy,
    ServerFault,
    ServerUnavailable,
    UnexpectedAnswer,
    Unsupported,
)
from backup_engine.vectorizer.credentials import Credentials
from tests.vectorizer.raw_server import answer

USER = Credentials("admin", "s3cret-pw")
KEY = Credentials(api_key="s3cret-key")
UNAUTHORIZED = {"error": "unauthorized", "message": "Authentication required. Provide a valid JWT token or API key."}


def responses(httpserver, path, *given: Response | tuple[object, int]):
    """Answer one after the other; the last one stays."""
    waiting = list(given)
    seen: list[Request] = []

    def handle(request: Request) -> Response:
        seen.append(request)
        now = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return (
            now if isinstance(now, Response) else Response(json.dumps(now[0]), now[1], content_type="application/json")
        )

    httpserver.expect_request(path).respond_with_handler(handle)
    return seen


# ------------------------------------------------------------------ what is sent


def test_a_request_names_the_product_and_asks_for_nothing_packed(httpserver, client):
    seen = responses(httpserver, "/status", ({}, 200))
    client.get("/status")
    assert seen[0].headers["User-Agent"] == f"vectorizer-backup/{PRODUCT_VERSION}"
    assert seen[0].headers["Accept-Encoding"] == "identity"
    assert "Authorization" not in seen[0].headers


def test_cookies_are_never_sent_back(httpserver, client):
    def with_cookie(request: Request) -> Response:
        assert "Cookie" not in request.headers
        kept = Response("{}", content_type="application/json")
        kept.set_cookie("vectorizer_session", "x")
        return kept

    httpserver.expect_request("/status").respond_with_handler(with_cookie)
    client.get("/status")
    client.get("/status")
    httpserver.check_assertions()


def test_credentials_in_netrc_are_not_used(httpserver, client, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text(f"machine {httpserver.host} login other password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    seen = responses(httpserver, "/status", ({}, 200))
    client.get("/status")
    assert "Authorization" not in seen[0].headers


# ------------------------------------------------------------------ credentials


def test_an_api_key_goes_into_its_own_header(httpserver, make_client):
    seen = responses(httpserver, "/status", ({}, 200))
    make_client(credentials=KEY).get("/status")
    assert seen[0].headers["X-API-Key"] == "s3cret-key"
    assert "Authorization" not in seen[0].headers


def test_a_user_logs_in_once_and_sends_the_token(httpserver, make_client):
    logins = responses(httpserver, "/auth/login", ({"access_token": "tok-1"}, 200))
    seen = responses(httpserver, "/status", ({}, 200))
    client = make_client(credentials=USER)
    client.get("/status")
    client.get("/status")
    assert [request.get_json() for request in logins] == [{"username": "admin", "password": "s3cret-pw"}]
    assert [request.headers["Authorization"] for request in seen] == ["Bearer tok-1"] * 2


def test_an_expired_token_is_renewed_once(httpserver, make_client):
    responses(httpserver, "/auth/login", ({"access_token": "tok-1"}, 200), ({"access_token": "tok-2"}, 200))
    seen = responses(httpserver, "/status", (UNAUTHORIZED, 401), ({"version": "3"}, 200))
    assert make_client(credentials=USER).get("/status").fields() == {"version": "3"}
    assert [request.headers["Authorization"] for request in seen] == ["Bearer tok-1", "Bearer tok-2"]


def test_a_token_that_is_never_accepted_ends_after_one_more_login(httpserver, make_client, time):
    logins = responses(httpserver, "/auth/login", ({"access_token": "tok"}, 200))
    responses(httpserver, "/status", (UNAUTHORIZED, 401))
    with pytest.raises(AuthenticationFailed):
        make_client(credentials=USER).get("/status")
    assert len(logins) == 2
    assert time.pauses == []


def test_a_wrong_password_is_tried_once_only(httpserver, make_client):
    refused = {"error": "invalid_credentials", "message": "Invalid username or password"}
    logins = responses(httpserver, "/auth/login", (refused, 401))
    with pytest.raises(AuthenticationFailed, match="Invalid username or password") as error:
        make_client(credentials=USER).get("/status")
    assert len(logins) == 1
    assert "s3cret" not in str(error.value)


def test_a_login_locked_for_a_quarter_of_an_hour_is_not_waited_for(httpserver, make_client, time):
    locked = {"error": "rate_limited", "message": "Too many login attempts. Please try again in 899 seconds."}
    logins = responses(httpserver, "/auth/login", (locked, 429))
    with pytest.raises(ServerBusy, match="899 seconds"):
        make_client(credentials=USER).get("/status")
    assert len(logins) == 1
    assert time.pauses == []


def test_a_login_without_a_token_is_not_understood(httpserver, make_client):
    responses(httpserver, "/auth/login", ({"token": "x"}, 200))
    with pytest.raises(UnexpectedAnswer, match="no access_token"):
        make_client(credentials=USER).get("/status")


def test_missing_credentials_are_asked_for_by_name(httpserver, client):
    responses(httpserver, "/status", (UNAUTHORIZED, 401))
    with pytest.raises(AuthenticationFailed, match="VECTORIZER_USERNAME"):
        client.get("/status")


def test_a_wrong_key_is_refused_at_once(httpserver, make_client, time):
    seen = responses(httpserver, "/status", (UNAUTHORIZED, 401))
    with pytest.raises(AuthenticationFailed, match="do not survive a restart"):
        make_client(credentials=KEY).get("/status")
    assert len(seen) == 1


def test_a_key_that_asked_too_often_waits_a_minute_and_goes_on(httpserver, make_client, time):
    responses(httpserver, "/status", ({}, 200), (UNAUTHORIZED, 401), ({"version": "3"}, 200))
    client = make_client(credentials=KEY)
    client.get("/status")
    assert client.call("POST", "/status", {}, repeatable=False).fields() == {"version": "3"}
    assert len(time.pauses) == 1
    assert time.pauses[0] >= 60


def test_a_key_that_stays_refused_ends_as_busy_and_says_why(httpserver, make_client, time):
    responses(httpserver, "/status", ({}, 200), (UNAUTHORIZED, 401))
    client = make_client(credentials=KEY, attempts=3)
    client.get("/status")
    with pytest.raises(ServerBusy, match="100 requests in a minute"):
        client.get("/status")
    assert len(time.pauses) == 2


def test_secrets_that_a_server_echoes_are_hidden(httpserver, make_client):
    echo = ({"error_type": "odd", "message": "you sent tok-secret s3cret-pw"}, 400)
    responses(httpserver, "/auth/login", ({"access_token": "tok-secret"}, 200))
    responses(httpserver, "/status", echo)
    with pytest.raises(RequestRefused, match=r"you sent \*\*\* \*\*\*"):
        make_client(credentials=USER).get("/status")


# ------------------------------------------------------------------ redirects


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_on_the_same_host_keeps_method_and_body(httpserver, make_client, status):
    moved = Response("", status, {"Location": "/graphql/"})
    responses(httpserver, "/graphql", moved)
    seen = responses(httpserver, "/graphql/", ({"data": {}}, 200))
    make_client(credentials=KEY).call("POST", "/graphql", {"query": "{x}"})
    assert seen[0].method == "POST"
    assert seen[0].get_json() == {"query": "{x}"}
    assert seen[0].headers["X-API-Key"] == "s3cret-key"


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.2:1/x", "https://{host}/x", "http://{name}:1/x", "//evil.example/x", "http://u:p@{host}/x"],
)
def test_credentials_never_leave_the_host(httpserver, make_client, location):
    host = f"{httpserver.host}:{httpserver.port}"
    moved = Response("", 307, {"Location": location.format(host=host, name=httpserver.host)})
    responses(httpserver, "/status", moved)
    with pytest.raises(RequestRefused, match="credentials are not taken along") as refused:
        make_client(credentials=KEY).get("/status")
    assert "u:p" not in str(refused.value)


def test_a_follower_names_its_leader(httpserver, client):
    moved = Response("", 307, {"Location": "http://leader:15002/x", "X-Vectorizer-Leader": "http://leader:15002"})
    responses(httpserver, "/collections", moved)
    with pytest.raises(RequestRefused, match=r"http://leader:15002.*follower"):
        client.call("POST", "/collections", {})


def test_a_post_is_never_turned_into_a_get(httpserver, client):
    responses(httpserver, "/collections", Response("", 302, {"Location": "/login"}))
    with pytest.raises(RequestRefused, match="would make a GET"):
        client.call("POST", "/collections", {})


def test_redirects_in_a_circle_end(httpserver, client):
    seen = responses(httpserver, "/status", Response("", 307, {"Location": "/status"}))
    with pytest.raises(RequestRefused, match="more than 3 times"):
        client.get("/status")
    assert len(seen) == 4


# ------------------------------------------------------------------ trying again


def test_what_may_pass_is_tried_again_with_growing_pauses(httpserver, client, time):
    responses(httpserver, "/status", ({}, 500), ({}, 502), ({}, 503), ({"version": "3"}, 200))
    assert client.get("/status").fields() == {"version": "3"}
    assert len(time.pauses) == 3
    assert all(0 <= pause <= 30 for pause in time.pauses)


def test_trying_again_is_bounded(httpserver, make_client):
    seen = responses(httpserver, "/status", ({}, 500))
    with pytest.raises(ServerFault):
        make_client(attempts=4).get("/status")
    assert len(seen) == 4


def test_the_servers_wish_is_respected(httpserver, client, time):
    responses(httpserver, "/status", Response("", 429, {"Retry-After": "42"}), ({}, 200))
    client.get("/status")
    assert 42 <= time.pauses[0] <= 73


def test_no_pause_goes_beyond_the_deadline(httpserver, make_client, time):
    seen = responses(httpserver, "/status", Response("", 429, {"Retry-After": "100"}))
    with pytest.raises(ServerBusy) as busy:
        make_client(deadline=100).get("/status")
    assert busy.value.retry_after == 100
    assert len(seen) == 1


def test_what_must_not_happen_twice_is_not_tried_again(httpserver, client):
    seen = responses(httpserver, "/collections", ({}, 500))
    with pytest.raises(ServerFault):
        client.call("POST", "/collections", {}, repeatable=False)
    assert len(seen) == 1


def test_what_was_refused_before_it_began_may_be_tried_again(httpserver, client):
    seen = responses(httpserver, "/collections", Response("", 429, {"Retry-After": "1"}), ({}, 200))
    client.call("POST", "/collections", {}, repeatable=False)
    assert len(seen) == 2


def test_what_a_person_must_mend_is_not_tried_again(httpserver, client, time):
    seen = responses(httpserver, "/status", ({"error_type": "validation_error", "message": "no"}, 400))
    with pytest.raises(RequestRefused):
        client.get("/status")
    assert len(seen) == 1


# ------------------------------------------------------------------ broken connections and bodies


def test_a_server_that_is_down_is_unavailable_and_says_how(make_client):
    with pytest.raises(ServerUnavailable, match=r"(?i)connection refused.*is the server up"):
        make_client("http://127.0.0.1:9", attempts=2).get("/status")


def test_a_host_that_does_not_exist_is_unavailable(make_client):
    with pytest.raises(ServerUnavailable, match="is the server up, and the address right"):
        make_client("http://vectorizer.invalid:15002", attempts=1).get("/status")


def test_a_connection_dropped_without_an_answer_is_unavailable(raw_server, make_client):
    server = raw_server(b"")
    with pytest.raises(ServerUnavailable):
        make_client(server.url, attempts=3).get("/status")
    assert len(server.requests) == 3


def test_tls_where_there_is_none_is_a_matter_of_configuration(httpserver, make_client):
    with pytest.raises(ConfigurationError, match="does not speak TLS there"):
        make_client(httpserver.url_for("/").replace("http:", "https:")).get("/status")


CUT = {
    "shorter than it says": answer(b'{"version":', "Content-Length: 100"),
    "chunks without an end": answer(b'5\r\n{"ver\r\n', "Transfer-Encoding: chunked"),
    "a chunk cut": answer(b'ff\r\n{"version"', "Transfer-Encoding: chunked"),
}


@pytest.mark.parametrize("cut", CUT.values(), ids=CUT)
def test_a_cut_body_is_unavailable_and_tried_again(raw_server, make_client, cut):
    server = raw_server(cut)
    with pytest.raises(ServerUnavailable, match="broke off"):
        make_client(server.url, attempts=2).get("/status")
    assert len(server.requests) == 2


@pytest.mark.parametrize("cut", CUT.values(), ids=CUT)
def test_a_cut_stream_is_unavailable_and_never_tried_again(raw_server, make_client, cut):
    server = raw_server(cut)
    with pytest.raises(ServerUnavailable, match="broke off"), make_client(server.url).stream("/x", {}) as chunks:
        list(chunks)
    assert len(server.requests) == 1


SILENTLY_CUT = {
    "ends with the connection": answer(b'{"version":"3"}'),
    "packed": answer(b"xx", "Content-Length: 2", "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("body", SILENTLY_CUT.values(), ids=SILENTLY_CUT)
def test_a_body_whose_cut_would_go_unnoticed_is_refused(raw_server, make_client, body):
    assert requests.get(raw_server(SILENTLY_CUT["ends with the connection"]).url, timeout=5).ok  # others take it
    with pytest.raises(UnexpectedAnswer, match=r"neither how long it is|is packed"):
        make_client(raw_server(body).url).get("/status")


def test_an_answer_in_chunks_is_read_whole(raw_server, make_client):
    body = b'7\r\n{"a":1,\r\n6\r\n"b":2}\r\n0\r\n\r\n'
    server = raw_server(answer(body, "Transfer-Encoding: chunked"))
    assert make_client(server.url).get("/status").fields() == {"a": 1, "b": 2}


def test_an_answer_that_drips_ends_with_the_deadline(raw_server, make_client, time):
    body = b'{"a":' + b" " * 50 + b"1}"
    dripping = raw_server(answer(body, f"Content-Length: {len(body)}"), between=lambda: time.sleep(1))
    with pytest.raises(ServerUnavailable, match="no whole answer within 20 s"):
        make_client(dripping.url, deadline=20, attempts=1).get("/status")


def test_silence_ends_with_the_read_timeout(raw_server, make_client, time):
    import threading

    never = threading.Event()
    silent = raw_server(answer(b"{}", "Content-Length: 2"), between=lambda: never.wait(5))
    with pytest.raises(ServerUnavailable, match="no answer in time"):
        make_client(silent.url, read_timeout=0.2, attempts=1).get("/status")
    never.set()


@pytest.mark.parametrize("body", ["<html>welcome</html>", "", "[]", "nul"])
def test_a_success_that_is_no_json_object_is_not_understood(httpserver, client, body):
    responses(httpserver, "/status", Response(body, 200))
    with pytest.raises(UnexpectedAnswer, match="/status"):
        client.get("/status").fields()


def test_graphql_that_a_proxy_does_not_pass_is_named_with_a_way_out(httpserver, client):
    responses(httpserver, "/graphql", Response("", 404))
    with pytest.raises(Unsupported, match="let the proxy before the server pass POST /graphql"):
        client.graphql("{x}", {})
