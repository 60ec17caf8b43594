"""An address says all there is to know of a place, is read back as it was written, and never shows a password."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.errors import InvalidInput
from backup_engine.storage.address import Scheme, StoreAddress, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("file:///var/backups/", StoreAddress(Scheme.FILE, "/var/backups")),
        ("FILE:///mnt/a%20b", StoreAddress(Scheme.FILE, "/mnt/a b")),
        ("file:///mnt//a/./b/", StoreAddress(Scheme.FILE, "/mnt/a/b")),
        ("file:///mnt/a%3Fb%23c", StoreAddress(Scheme.FILE, "/mnt/a?b#c")),
        ("file:///mnt/x?shared=yes", StoreAddress(Scheme.FILE, "/mnt/x", options={"shared": "yes"})),
        ("s3://bucket", StoreAddress(Scheme.S3, "", "bucket")),
        ("s3://bucket/", StoreAddress(Scheme.S3, "", "bucket")),
        ("s3://bucket.with.dots/a/b/", StoreAddress(Scheme.S3, "a/b", "bucket.with.dots")),
        ("s3://aws_default@bucket/a", StoreAddress(Scheme.S3, "a", "bucket", "aws_default")),
        (
            "s3://c@bucket/a?sse=aws:kms&kms_key=arn:aws:kms:eu-central-1:1:key/2&staging=other-bucket",
            StoreAddress(
                Scheme.S3,
                "a",
                "bucket",
                "c",
                {"sse": "aws:kms", "kms_key": "arn:aws:kms:eu-central-1:1:key/2", "staging": "other-bucket"},
            ),
        ),
        ("s3://bucket?sse=AES256", StoreAddress(Scheme.S3, "", "bucket", options={"sse": "AES256"})),
        (
            "gs://google_cloud_default@bucket/a?kms_key=projects/p/locations/l/keyRings/r/cryptoKeys/k",
            StoreAddress(
                Scheme.GS,
                "a",
                "bucket",
                "google_cloud_default",
                {"kms_key": "projects/p/locations/l/keyRings/r/cryptoKeys/k"},
            ),
        ),
    ],
)
def test_an_address_is_read_and_written_back(text, address):
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "url", "shared"),
    [
        ("s3://c@bucket/a?sse=AES256", "s3://bucket/a", True),
        ("gs://c@bucket", "gs://bucket", True),
        ("file:///a?shared=yes", "file:///a", True),
        ("file:///a", "file:///a", False),
    ],
)
def test_what_messages_show_has_neither_connection_nor_options(text, url, shared):
    assert (parse_address(text).url, parse_address(text).shared) == (url, shared)


def test_a_deployments_folder_keeps_connection_and_options():
    for base, below in (
        ("s3://c@bucket?sse=AES256", "s3://c@bucket/prod?sse=AES256"),
        ("gs://c@bucket/a", "gs://c@bucket/a/prod"),
        ("file:///a?shared=yes", "file:///a/prod?shared=yes"),
    ):
        assert str(parse_address(base).below("prod")) == below


HOSTILE = [
    "",
    "/var/backups",
    "backups",
    "http://host/x",
    "s3:bucket",
    "s3://",
    "s3:///a",
    "s3://@bucket",
    "s3://b",
    "s3://-bucket",
    "s3://Bucket",
    "s3://bucket_ä",
    "s3://bucket:443/a",
    "s3://[::1]/a",
    "s3://bucket/../other",
    "s3://bucket/a//b",
    "s3://bucket/a/./b",
    "s3://bucket/%2e%2e/b",
    "s3://bucket/a%00b",
    "s3://bucket/a%2F..%2Fb",
    "s3://bucket/a b",
    "s3://bucket/" + "a" * 201,
    "s3://bucket#a",
    "s3://bucket/a#b",
    "s3://bucket?region=eu",
    "s3://bucket?sse=none",
    "s3://bucket?sse=",
    "s3://bucket?sse",
    "s3://bucket?sse=AES256&sse=AES256",
    "s3://bucket?kms_key=alias/x",
    "s3://bucket?sse=AES256&kms_key=alias/x",
    "s3://bucket?sse=aws:kms&kms_key=a%20b",
    "s3://bucket?staging=Not%20A%20Bucket",
    "s3://bucket?staging=../x",
    "s3://a b@bucket",
    "s3://" + "c" * 251 + "@bucket",
    "gs://bucket?sse=AES256",
    "gs://bucket?shared=yes",
    "gs://bucket:80",
    "file://",
    "file:///",
    "file:////",
    "file://host/share",
    "file:///a/../b",
    "file:///a/%2e%2e/b",
    "file:///a%00b",
    "file:///a%ff",
    " s3://bucket",
    "s3://bucket\t",
    "file:///a#b",
    "file:///a?x=1",
    "file:///a?shared=no",
    "file:relative",
    "s3://bucket\n/a",
    "file://[/a",
    "s3://bucket/a\nb",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_names_no_place_is_refused(text):
    with pytest.raises(InvalidInput) as raised:
        parse_address(text)
    assert str(raised.value)


SECRETS = [
    "s3://AKIA:sEcReT@bucket/a",
    "s3://AKIA:sEc/ReT@bucket",
    "s3://:sEcReT@bucket",
    "s3://user:sEcReT@host:99999/x",
    "gs://user:sEcReT@bucket",
    "file://user:sEcReT@host/x",
    "http://user:sEcReT@host/x",
    "sEcReT@bucket",
    "AKIA:sEcReT@bucket",
    "s3://bucket?secret=sEcReT",
    "s3://bucket#sEcReT",
    "https://host?token=sEcReT",
]


@pytest.mark.parametrize("text", SECRETS)
def test_no_message_repeats_what_may_be_a_password(text):
    with pytest.raises(InvalidInput) as raised:
        parse_address(text)
    assert "sEcReT" not in str(raised.value)
    assert "sEcReT" not in repr(raised.value.__cause__)


# ------------------------------------------------------------------ any address

SEGMENTS = st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True).filter(lambda part: part not in {".", ".."})
PREFIXES = st.lists(SEGMENTS, max_size=4).map("/".join)
BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9._-]{1,30}[a-z0-9]", fullmatch=True)
CONNECTIONS = st.none() | st.from_regex(r"[A-Za-z0-9_.-]{1,30}", fullmatch=True)
KEYS = st.from_regex(r"[A-Za-z0-9:/_.-]{1,60}", fullmatch=True)
PATHS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=8).filter(
        lambda part: part not in {".", ".."}
    ),
    min_size=1,
    max_size=4,
).map(lambda parts: "/" + "/".join(parts))


@st.composite
def addresses(draw) -> StoreAddress:
    scheme = draw(st.sampled_from(Scheme))
    if scheme is Scheme.FILE:
        return StoreAddress(scheme, draw(PATHS), options=draw(st.sampled_from([{}, {"shared": "yes"}])))
    options = {}
    if scheme is Scheme.S3 and draw(st.booleans()):
        options["sse"] = draw(st.sampled_from(["AES256", "aws:kms"]))
    if (scheme is Scheme.GS or options.get("sse") == "aws:kms") and draw(st.booleans()):
        options["kms_key"] = draw(KEYS)
    if draw(st.booleans()):
        options["staging"] = draw(BUCKETS)
    return StoreAddress(scheme, draw(PREFIXES), draw(BUCKETS), draw(CONNECTIONS), options)


@settings(max_examples=300, deadline=None)
@given(addresses())
def test_whatever_is_written_is_read_back_the_same(address):
    assert parse_address(str(address)) == address
    assert parse_address(address.url).url == address.url
    assert parse_address(str(address.below("prod"))) == address.below("prod")


@settings(max_examples=500, deadline=None)
@given(
    st.text(max_size=60)
    | st.tuples(st.sampled_from(["s3://", "gs://", "file://", "file:///"]), st.text(max_size=40)).map("".join)
)
def test_any_text_is_an_address_that_can_be_written_down_or_is_refused(text):
    try:
        address = parse_address(text)
    except InvalidInput:
        return
    assert parse_address(str(address)) == address
