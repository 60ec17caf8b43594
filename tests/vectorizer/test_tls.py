"""TLS as a proxy before a Vectorizer would speak it."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_httpserver import HTTPServer

from backup_engine.errors import ConfigurationError


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A file with a certificate for 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vectorizer.test")])
    now = datetime.now(UTC)
    made = (
        x509
        .CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    unencrypted = serialization.NoEncryption()
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unencrypted)
    )
    return path


@pytest.fixture
def secure_url(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with HTTPServer(host="127.0.0.1", port=0, ssl_context=context) as server:
        server.expect_request("/status").respond_with_json({"version": "3"})
        yield server.url_for("/").rstrip("/")


def test_an_unknown_certificate_is_refused_with_what_to_do(secure_url, make_client):
    with pytest.raises(ConfigurationError, match=r"certificate is not trusted.*CA bundle"):
        make_client(secure_url).get("/status")


def test_a_ca_bundle_makes_it_known(secure_url, make_client, certificate):
    assert make_client(secure_url, verify=str(certificate)).get("/status").fields() == {"version": "3"}


def test_checking_can_be_turned_off_even_where_the_environment_names_a_bundle(
    secure_url, make_client, certificate, monkeypatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")
    with pytest.warns(Warning, match="Unverified HTTPS"):
        assert make_client(secure_url, verify=False).get("/status").fields() == {"version": "3"}
