import pickle

import pytest

from backup_engine.errors import ConfigurationError, InvalidInput
from backup_engine.vectorizer.client import VectorizerClient
from backup_engine.vectorizer.credentials import Credentials, from_environment
from backup_engine.vectorizer.server import connect
from backup_engine.vectorizer.settings import ClientSettings, checked_url, path_of


def test_credentials_never_show_themselves():
    for credentials in (Credentials("admin", "s3cret-pw"), Credentials(api_key="s3cret-key")):
        shown = f"{credentials!r} {credentials} {[credentials]} {VectorizerClient('http://h:1', credentials)!r}"
        assert "s3cret" not in shown
    assert "s3cret" not in repr(connect("http://h:1", Credentials("admin", "s3cret-pw")))


def test_credentials_survive_a_process_boundary():
    assert pickle.loads(pickle.dumps(Credentials("admin", "pw"))) == Credentials("admin", "pw")  # noqa: S301


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Credentials()),
        ({"VECTORIZER_USERNAME": "", "VECTORIZER_API_KEY": ""}, Credentials()),
        ({"VECTORIZER_USERNAME": "admin", "VECTORIZER_PASSWORD": "pw"}, Credentials("admin", "pw")),
        ({"VECTORIZER_API_KEY": "key\n"}, Credentials(api_key="key")),
    ],
)
def test_credentials_come_from_the_environment(environment, expected):
    assert from_environment(environment) == expected


def test_a_key_file_is_read_without_its_line_end(tmp_path):
    (tmp_path / "key").write_text("abc-123\n")
    assert from_environment({"VECTORIZER_API_KEY_FILE": str(tmp_path / "key")}) == Credentials(api_key="abc-123")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"VECTORIZER_USERNAME": "admin"}, "password for the server is missing"),
        ({"VECTORIZER_PASSWORD": "s3cret"}, "user name for the server is missing"),
        ({"VECTORIZER_USERNAME": "a", "VECTORIZER_PASSWORD": "s3cret", "VECTORIZER_API_KEY": "s3cret"}, "both"),
        ({"VECTORIZER_API_KEY": "s3cret", "VECTORIZER_API_KEY_FILE": "/nowhere"}, "both"),
        ({"VECTORIZER_API_KEY": "s3cret\r\nX-Other: 1"}, "characters no key can have"),
        ({"VECTORIZER_API_KEY_FILE": "/nowhere/key"}, "/nowhere/key, which cannot be read"),
    ],
)
def test_contradicting_credentials_are_refused_without_being_told(environment, message):
    with pytest.raises(ConfigurationError, match=message) as refused:
        from_environment(environment)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://localhost:15002", "http://localhost:15002"),
        ("http://localhost:15002/", "http://localhost:15002"),
        (" https://proxy.example/vectorizer/ ", "https://proxy.example/vectorizer"),
        ("http://[::1]:15002", "http://[::1]:15002"),
    ],
)
def test_an_address_is_kept_without_its_last_slash(given, kept):
    assert checked_url(given) == kept


@pytest.mark.parametrize(
    "url",
    [
        "http://admin:s3cret@host:1",
        "http://s3cret@host",
        "localhost:15002",
        "ftp://host",
        "http://",
        "http://host?api_key=s3cret",
        "http://host/#s3cret",
        "http://host:s3cret",
        "",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_telling_secrets(url):
    with pytest.raises(ConfigurationError) as refused:
        checked_url(url)
    assert "s3cret" not in str(refused.value)


def test_names_are_encoded_whole():
    assert path_of("collections", "a/b %20ü?#") == "/collections/a%2Fb%20%2520%C3%BC%3F%23"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_names_no_path_can_address_are_refused(name):
    with pytest.raises(InvalidInput, match="cannot be addressed"):
        path_of("collections", name)


@pytest.mark.parametrize(
    "settings",
    [{"read_timeout": 0}, {"deadline": -1}, {"attempts": 0}, {"batch_bytes": 0}, {"verify": "/nowhere/ca.pem"}],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ConfigurationError):
        ClientSettings(**settings)
