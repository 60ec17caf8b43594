"""Google Cloud Storage: what is refused says what to do, and where there is nothing to open that is said too."""

import json

import pytest
from google.api_core.exceptions import GatewayTimeout, RetryError
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError

from backup_engine.errors import (
    BackupError,
    ObjectChanged,
    ObjectNotFound,
    StoreDenied,
    StoreNotInitialised,
    StoreUnavailable,
)
from backup_engine.storage.gcs.refusals import meaning, refusal
from backup_engine.storage.gcs.store import GcsStore
from backup_engine.storage.opening import open_store
from services.ports import free_ports
from tests.storage.calls import EVERY_CALL
from tests.storage.gcs_places import BUCKET, HASTY, STAGING, client, new_prefix
from tests.storage.gcs_wire import content, new_store

CALLS = {name: call for name, call in EVERY_CALL.items() if name not in {"free_bytes", "sweep"}}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
JWT = "invalid_grant: Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."


class TestWhatAnAnswerMeans:
    @pytest.mark.parametrize(
        ("status", "said", "kind", "words"),
        [
            (401, "Invalid Credentials", StoreDenied, "renew the key"),
            (403, "x does not have storage.objects.create access", StoreDenied, "storage.objects.create .*grant"),
            (403, "Object 'b/o' is subject to bucket's retention policy", StoreDenied, "staging=BUCKET"),
            (403, "Object 'b/o' is under active Temporary hold and cannot be deleted", StoreDenied, "release the hold"),
            (403, "Permission denied on Cloud KMS key.", StoreDenied, "cryptoKeyEncrypterDecrypter"),
            (403, "The billing account for the owning project is disabled in state absent", StoreDenied, "billing"),
            (403, "Request is prohibited by organization's policy.", StoreDenied, "perimeter"),
            (404, "The specified bucket does not exist.", StoreNotInitialised, "store init"),
            (404, "No such object: b/o", ObjectNotFound, "does not exist"),
            (412, "At least one of the pre-conditions", ObjectChanged, "not what it was"),
            (429, "The object exceeded the rate limit for object mutation", StoreUnavailable, "fewer requests"),
            (500, "", StoreUnavailable, "could not answer"),
            (503, "backendError", StoreUnavailable, "could not answer"),
            (400, 'Provided CRC32C "a" doesn\'t match calculated CRC32C "b"', StoreUnavailable, "nothing was kept"),
            (400, "Cloud KMS key is disabled", StoreDenied, "enable it"),
            (400, "Invalid argument {odd}", StoreDenied, r"refuses the request \(400, Invalid argument \{odd\}\)"),
        ],
    )
    def test_each_has_its_class_names_the_place_and_says_what_to_do(self, status, said, kind, words):
        found = refusal(status, said, "gs://b/o")
        assert type(found) is kind
        assert str(found).startswith("gs://b/o")
        with pytest.raises(kind, match=words):
            raise found

    @pytest.mark.parametrize(
        ("error", "kind", "words"),
        [
            (RefreshError(JWT, {}), StoreDenied, "clock"),
            (RefreshError("invalid_grant: Bad Request", {}), StoreDenied, "renew the key"),
            (DefaultCredentialsError("none"), StoreDenied, "gcloud auth application-default login"),
            (TransportError("timed out"), StoreUnavailable, "metadata server"),
            (RetryError("too long", GatewayTimeout("slow")), StoreUnavailable, "504"),
            (ConnectionResetError(), StoreUnavailable, "check the network"),
        ],
    )
    def test_no_answer_means_something_too(self, error, kind, words):
        with pytest.raises(kind, match=words):
            raise meaning(error, "gs://b/o")


class TestEveryCall:
    @every_call
    def test_without_a_bucket_there_is_no_store(self, google, call):
        with pytest.raises(StoreNotInitialised, match=r"gs://no-such-bucket/.*there is no such bucket"):
            for _ in call(new_store(bucket="no-such-bucket")) or ():
                pass

    @every_call
    def test_without_permission_it_is_denied_and_says_which(self, google, call):
        google.grant("nobody", [])
        with pytest.raises(StoreDenied, match=r"storage\.objects\.\w+"):
            for _ in call(new_store(token="nobody")) or ():
                pass

    @every_call
    def test_where_nobody_listens_it_is_unavailable_in_time(self, google, call):
        [port] = free_ports(1)
        patience = type(HASTY)(connect=1, silence=1, progress=0.2, first_pause=0.01, longest_pause=0.05)
        store = GcsStore(google.client(f"http://127.0.0.1:{port}"), BUCKET, "p", patience=patience)
        with pytest.raises(StoreUnavailable, match=r"did not answer.*check the network"):
            call(store)

    @every_call
    def test_what_is_refused_is_an_error_of_the_contract(self, google, call):
        for method in ("GET", "POST", "DELETE"):
            google.fail(method, "/o", "status", times=1000, status=418, message="I'm a teapot")
        with pytest.raises(BackupError, match="teapot"):
            call(new_store())


class TestOpening:
    @pytest.fixture(autouse=True)
    def _nothing_around(self, monkeypatch, tmp_path):
        for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
        monkeypatch.setenv("NO_GCE_CHECK", "true")

    def test_with_an_emulator_in_the_environment_it_is_asked_and_nobody_logs_in(self, monkeypatch, google):
        for name, value in google.environment().items():
            monkeypatch.setenv(name, value)
        store = open_store(f"gs://google_cloud_default@{BUCKET}/{new_prefix()}")
        store.create("a", [b"x"])
        assert content(store, "a") == b"x"
        assert "@" not in store.url

    def test_options_of_the_address_are_heeded(self, google):
        prefix = new_prefix()
        store = open_store(f"gs://{BUCKET}/{prefix}?staging={STAGING}&kms_key=projects/p/k", client=client())
        store.create(".staging/a", [b"x"])
        blob = client().bucket(STAGING).get_blob(f"{prefix}/.staging/a")
        assert blob.kms_key_name == "projects/p/k"

    def test_a_bucket_without_prefix_is_a_store(self, google):
        assert open_store(f"gs://{BUCKET}", client=client()).url == f"gs://{BUCKET}"

    def test_without_credentials_it_says_how_to_get_some(self):
        with pytest.raises(StoreDenied, match="gcloud auth application-default login"):
            open_store("gs://bucket/prefix")

    @pytest.mark.parametrize("text", [None, "", "no json", json.dumps({"type": "service_account", "private_key": "k"})])
    def test_credentials_that_cannot_be_read_are_said_without_being_shown(self, monkeypatch, tmp_path, text):
        path = tmp_path / "key.json"
        if text is not None:
            path.write_text(text)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        with pytest.raises(StoreDenied, match="GOOGLE_APPLICATION_CREDENTIALS") as raised:
            open_store("gs://bucket/prefix")
        assert "private_key" not in str(raised.value)
