"""What S3 refuses is told in words that say what to do, and that hold no secret."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError

from backup_engine.errors import (
    ObjectChanged,
    ObjectNotFound,
    StoreDenied,
    StoreFull,
    StoreNotInitialised,
    StoreUnavailable,
)
from backup_engine.storage.address import Scheme, parse_address
from backup_engine.storage.layout import Layout
from backup_engine.storage.s3.opening import ATTEMPTS, client_config, open_s3
from backup_engine.storage.s3.refusals import meaning
from backup_engine.storage.s3.store import S3Store
from tests.storage.s3_places import ACCESS_KEY, BUCKET, READER, SECRET_KEY, WRITER_ONLY, client, new_client, new_prefix

PLACE, HOST = "s3://backups/production/daily/a", "s3.eu-central-1.amazonaws.com"


def answered(code, status, operation="PutObject", message="as the server says", **headers):
    answer = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": answer}, operation)


TOLD = [
    (answered("AccessDenied", 403), StoreDenied, "allow s3:PutObject"),
    (answered("AccessDenied", 403, "GetObject"), StoreDenied, "allow s3:GetObject, and s3:ListBucket"),
    (answered("AccessDenied", 403, "ListObjectsV2"), StoreDenied, "allow s3:ListBucket$"),
    (answered("AccessDenied", 403, "UploadPartCopy"), StoreDenied, "s3:GetObject on the source"),
    (answered("AccessDenied", 403, "DeleteObjects"), StoreDenied, "allow s3:DeleteObject$"),
    (answered("403", 403, "HeadObject"), StoreDenied, "allow s3:GetObject"),
    (answered("NoSuchKey", 404, "GetObject"), ObjectNotFound, "daily/a: does not exist"),
    (answered("NoSuchBucket", 404), StoreNotInitialised, "no such bucket: check its name"),
    (answered("PermanentRedirect", 301), StoreDenied, "another region.*AWS_DEFAULT_REGION"),
    (answered("AuthorizationHeaderMalformed", 400), StoreDenied, "another region"),
    (answered("ExpiredToken", 400), StoreDenied, "does not accept these credentials.*session token"),
    (answered("InvalidAccessKeyId", 403), StoreDenied, "does not accept these credentials"),
    (answered("SignatureDoesNotMatch", 403), StoreDenied, "does not accept these credentials"),
    (answered("KMS.DisabledException", 400), StoreDenied, "encryption key cannot be used"),
    (answered("NotImplemented", 501), StoreDenied, "store check"),
    (answered("SomethingNew", 400), StoreDenied, "refuses the request.*SomethingNew"),
    (answered("SlowDown", 503), StoreUnavailable, "fewer requests"),
    (answered("InternalError", 500), StoreUnavailable, "after every retry"),
    (answered("SomethingNew", 502), StoreUnavailable, "after every retry"),
    (answered("BadDigest", 400), StoreUnavailable, "not what was sent"),
    (answered("QuotaExceeded", 403), StoreFull, "free some"),
    (answered("InsufficientStorage", 507), StoreFull, "free some"),
    (answered("XMinioStorageFull", 507), StoreFull, "free some"),
    (answered("PreconditionFailed", 412), ObjectChanged, "not what it was"),
    (boto.NoCredentialsError(), StoreDenied, "no usable credentials.*AWS_PROFILE"),
    (boto.TokenRetrievalError(provider="sso", error_msg="expired"), StoreDenied, "no usable credentials"),
    (boto.EndpointConnectionError(endpoint_url="https://x"), StoreUnavailable, f"{HOST} did not answer"),
    (boto.ReadTimeoutError(endpoint_url="https://x"), StoreUnavailable, "ReadTimeoutError"),
    (boto.SSLError(endpoint_url="https://x", error="self-signed"), StoreUnavailable, "AWS_CA_BUNDLE"),
    (boto.ParamValidationError(report="x"), StoreDenied, "could not be made"),
]


@pytest.mark.parametrize(("error", "kind", "words"), TOLD, ids=lambda value: str(value)[:40])
def test_each_refusal_names_the_place_and_says_what_to_do(error, kind, words):
    found = meaning(error, PLACE, HOST)
    assert isinstance(found, kind)
    assert str(found).startswith(PLACE)
    with pytest.raises(kind, match=words):
        raise found


def test_a_clock_that_is_off_is_told_by_how_much():
    there = datetime.now(UTC) - timedelta(minutes=20)
    found = meaning(answered("RequestTimeTooSkewed", 403, date=format_datetime(there)), PLACE, HOST)
    assert isinstance(found, StoreDenied)
    with pytest.raises(StoreDenied, match=r"too far apart \(1,[12]\d\d s\)"):
        raise found


def test_a_server_that_names_a_time_is_waited_for():
    assert meaning(answered("SlowDown", 503, **{"retry-after": "17"}), PLACE, HOST).retry_after == 17
    assert meaning(answered("SlowDown", 503), PLACE, HOST).retry_after is None


def test_a_servers_words_stay_one_short_line():
    told = str(meaning(answered("AccessDenied", 403, message="line\n\x1b[31mred" + "x" * 5000), PLACE, HOST))
    assert len(told) < 800
    assert told.isprintable()


def test_an_endpoint_with_a_password_in_it_is_told_by_its_host_only():
    error = boto.EndpointConnectionError(endpoint_url="https://user:hunter2@minio.example/")
    assert "hunter2" not in str(meaning(error, PLACE, "minio.example"))


CALLS = {
    "create": (lambda store: store.create("a", [b"x"]), "s3:PutObject"),
    "stat": (lambda store: store.stat("a"), "s3:GetObject"),
    "read": (lambda store: store.read("a"), "s3:GetObject"),
    "list": (lambda store: store.list(""), "s3:ListBucket"),
    "delete": (lambda store: store.delete(["a"]), "s3:DeleteObject"),
    "join": (lambda store: store.join("b", ["a"]), "s3:PutObject"),
}


@pytest.mark.parametrize("name", ["create", "join", "delete"])
def test_who_may_only_read_is_told_which_action_is_lacking(name):
    prefix = new_prefix()
    S3Store(client(), Layout(Scheme.S3, BUCKET, prefix)).create("a", [b"x"])
    call, action = CALLS[name]
    with pytest.raises(StoreDenied, match=action) as raised:
        call(S3Store(new_client(READER), Layout(Scheme.S3, BUCKET, f"{prefix}/new" if name == "create" else prefix)))
    assert READER[1] not in str(raised.value)


@pytest.mark.parametrize("name", ["stat", "read", "list"])
def test_who_may_only_write_is_told_which_action_is_lacking(name):
    call, action = CALLS[name]
    with pytest.raises(StoreDenied, match=action):
        call(S3Store(new_client(WRITER_ONLY), Layout(Scheme.S3, BUCKET, new_prefix())))


@pytest.mark.parametrize("call", [call for call, _ in CALLS.values()], ids=CALLS)
def test_a_wrong_secret_is_told_by_every_call_and_not_repeated(call):
    with pytest.raises(StoreDenied, match="does not accept these credentials") as raised:
        call(S3Store(new_client((ACCESS_KEY, "another-secret")), Layout(Scheme.S3, BUCKET, "x")))
    assert SECRET_KEY not in str(raised.value)
    assert "another-secret" not in str(raised.value)


@pytest.mark.parametrize("call", [call for call, _ in CALLS.values()], ids=CALLS)
def test_a_bucket_that_is_not_there_is_told_by_every_call(call):
    with pytest.raises(StoreNotInitialised, match=r"s3://no-such-bucket/.*no such bucket"):
        call(S3Store(client(), Layout(Scheme.S3, "no-such-bucket", "x")))


@pytest.mark.parametrize("call", [call for call, _ in CALLS.values()], ids=CALLS)
def test_a_server_that_is_not_there_is_told_by_every_call_soon(call):
    nobody = new_client(url="http://127.0.0.1:9", retries={"mode": "standard", "total_max_attempts": 1})
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1 did not answer"):
        call(S3Store(nobody, Layout(Scheme.S3, "backups", "x")))


def test_without_credentials_the_first_call_says_how_to_give_some(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = open_s3(parse_address("s3://backups/production"), None)
    with pytest.raises(StoreDenied, match="no usable credentials"):
        store.stat("a")


def test_a_profile_that_is_not_there_is_told_when_the_store_is_opened(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(StoreDenied, match=r"ProfileNotFound.*AWS_PROFILE"):
        open_s3(parse_address("s3://backups/production"), None)


def test_a_store_of_the_environment_answers_at_an_endpoint_of_ones_own(monkeypatch):
    from tests.storage.s3_places import server

    for name, value in server().environment(server().url.replace("127.0.0.1", "localhost")).items():
        monkeypatch.setenv(name, value)
    store = open_s3(parse_address(f"s3://{BUCKET}/{new_prefix()}?sse=AES256"), None)
    made = store.create("store.json", [b"{}"])  # by its path: bucket.localhost would be no host
    assert store.stat("store.json") == made


def test_every_wait_of_a_client_has_an_end():
    config = client_config()
    assert config.connect_timeout <= 10
    assert config.read_timeout <= 60
    assert config.retries == {"mode": "standard", "total_max_attempts": ATTEMPTS}
    assert client_config("https://s3.eu-central-1.amazonaws.com").s3 is None
    assert client_config("http://seaweedfs:8333").s3 == {"addressing_style": "path"}
