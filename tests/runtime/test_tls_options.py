"""The options of TLS: what is refused, and what it is told with."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

import runtime
from runtime.cli import main, parse
from runtime.config import Config
from runtime.tls import make_context

from .client import hello
from .secure_client import Authority

SECRET = "correct horse"


class Files(Authority):
    """What can be wrong with files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        pem = self.key.read_bytes()
        key = serialization.load_pem_private_key(pem, None)
        encryption = serialization.BestAvailableEncryption(SECRET.encode())
        encrypted = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
        self._write("encrypted.pem", encrypted)
        self._write("encrypted-both.pem", encrypted + self.certificate.read_bytes())
        self._write("empty.pem", b"")
        self._write("damaged.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        self._write("damaged-key.pem", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        (folder / "other").mkdir()
        Authority(folder / "other")

    def _write(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("files"))


@pytest.fixture(autouse=True)
def _in_the_folder(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files.folder)


def test_without_a_certificate_there_is_no_tls() -> None:
    assert make_context(Config()) is None


@pytest.mark.parametrize(
    "options",
    [
        {"ssl_certfile": "both.pem"},
        {"ssl_certfile": "cert.pem", "ssl_keyfile": "key.pem"},
        {"ssl_certfile": "cert.pem", "ssl_keyfile": "encrypted.pem", "ssl_keyfile_password": SECRET},
        {"ssl_certfile": "encrypted-both.pem", "ssl_keyfile_password": SECRET},
        {"ssl_certfile": "both.pem", "ssl_keyfile_password": "not needed"},
    ],
    ids=["both", "pair", "encrypted", "encrypted-both", "unused-password"],
)
def test_a_certificate_and_its_key_are_found(options: dict[str, Any]) -> None:
    context = make_context(Config(**options))
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_NONE
    for option in (
        ssl.OP_NO_COMPRESSION,
        ssl.OP_NO_RENEGOTIATION,
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).options,
    ):
        assert context.options & option == option


def test_ciphers_of_tls_1_2_have_ephemeral_keys_and_authenticate() -> None:
    """RFC 9113 §9.2.2."""
    context = make_context(Config(ssl_certfile="both.pem"))
    assert context is not None
    ciphers = [cipher for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.2"]
    assert len(ciphers) == 6
    assert all(cipher["name"].startswith("ECDHE-") for cipher in ciphers)
    assert all(cipher["aead"] for cipher in ciphers)


def test_ciphers_may_be_chosen() -> None:
    context = make_context(Config(ssl_certfile="both.pem", ssl_ciphers="ECDHE-ECDSA-AES256-GCM-SHA384"))
    assert context is not None
    names = [cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] == "TLSv1.2"]
    assert names == ["ECDHE-ECDSA-AES256-GCM-SHA384"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("none", ssl.CERT_NONE),
        ("Optional", ssl.CERT_OPTIONAL),
        ("required", ssl.CERT_REQUIRED),
        ("2", ssl.CERT_REQUIRED),
        (1, ssl.CERT_OPTIONAL),
        ("CERT_REQUIRED", ssl.CERT_REQUIRED),
        (ssl.CERT_REQUIRED, ssl.CERT_REQUIRED),
    ],
)
def test_clients_are_asked_for_certificates(given: Any, meant: ssl.VerifyMode) -> None:
    authorities: dict[str, Any] = {} if meant is ssl.CERT_NONE else {"ssl_ca_certs": "ca.pem"}
    context = make_context(Config(ssl_certfile="both.pem", ssl_cert_reqs=given, **authorities))
    assert context is not None
    assert context.verify_mode is meant


MISTAKES = pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            "--ssl-certfile nowhere.pem",
            "--ssl-certfile 'nowhere.pem' cannot be read: No such file or directory; give the path of a PEM file",
        ),
        (
            "--certfile .",
            "--ssl-certfile '.' cannot be read: Is a directory; give the path of a PEM file",
        ),
        (
            "--ssl-certfile empty.pem",
            "--ssl-certfile 'empty.pem' has no certificate in it; give the path of a PEM file",
        ),
        (
            "--ssl-certfile key.pem",
            "--ssl-certfile 'key.pem' has no certificate in it; give the path of a PEM file",
        ),
        (
            "--ssl-certfile cert.pem",
            "--ssl-certfile 'cert.pem' has no private key in it; give it as --ssl-keyfile",
        ),
        (
            "--ssl-certfile cert.pem --ssl-keyfile nowhere.pem",
            "--ssl-keyfile 'nowhere.pem' cannot be read: No such file or directory; give the path of a PEM file",
        ),
        (
            "--ssl-certfile cert.pem --ssl-keyfile cert.pem",
            "--ssl-keyfile 'cert.pem' has no private key in it; give it as --ssl-keyfile",
        ),
        (
            "--ssl-certfile cert.pem --ssl-keyfile other/key.pem",
            "--ssl-keyfile 'other/key.pem' does not belong to the certificate in 'cert.pem'; give both of one pair",
        ),
        (
            "--ssl-certfile cert.pem --ssl-keyfile encrypted.pem",
            "--ssl-keyfile 'encrypted.pem' is encrypted; give its password as --ssl-keyfile-password",
        ),
        (
            "--ssl-certfile cert.pem --ssl-keyfile encrypted.pem --ssl-keyfile-password incorrect",
            "--ssl-keyfile-password does not open 'encrypted.pem'; give the one that the key was encrypted with",
        ),
        (
            f"--ssl-certfile cert.pem --ssl-keyfile encrypted.pem --ssl-keyfile-password {'incorrect' * 200}",
            "--ssl-keyfile-password does not open 'encrypted.pem'; give the one that the key was encrypted with",
        ),
        (
            "--ssl-certfile damaged.pem --ssl-keyfile key.pem",
            "--ssl-certfile 'damaged.pem' and its key cannot be used: ",
        ),
        (
            "--ssl-certfile cert.pem --ssl-keyfile damaged-key.pem",
            "--ssl-certfile 'cert.pem' and its key cannot be used: ",
        ),
        (
            "--ssl-keyfile key.pem",
            "--ssl-keyfile has no effect without a certificate; give it as --ssl-certfile",
        ),
        (
            "--ssl-keyfile-password incorrect",
            "--ssl-keyfile-password has no effect without a certificate; give it as --ssl-certfile",
        ),
        (
            "--ssl-ca-certs ca.pem --ssl-cert-reqs required",
            "--ssl-ca-certs has no effect without a certificate; give it as --ssl-certfile",
        ),
        (
            "--ssl-cert-reqs required",
            "--ssl-cert-reqs has no effect without a certificate; give it as --ssl-certfile",
        ),
        (
            "--ssl-certfile both.pem --ssl-cert-reqs required",
            "--ssl-cert-reqs 'required' needs authorities to trust; give them as --ssl-ca-certs",
        ),
        (
            "--ssl-certfile both.pem --ssl-ca-certs ca.pem",
            "--ssl-ca-certs has no effect unless clients are asked; add --ssl-cert-reqs optional or required",
        ),
        (
            "--ssl-certfile both.pem --ssl-ca-certs nowhere.pem --ssl-cert-reqs required",
            "--ssl-ca-certs 'nowhere.pem' cannot be read: No such file or directory; give the path of a PEM file",
        ),
        (
            "--ssl-certfile both.pem --ssl-ca-certs damaged.pem --ssl-cert-reqs required",
            "--ssl-ca-certs 'damaged.pem' cannot be used: ",
        ),
        (
            "--ssl-certfile both.pem --ssl-cert-reqs sometimes",
            "--ssl-cert-reqs must be one of none, optional, required, got 'sometimes'",
        ),
        (
            "--ssl-certfile both.pem --ssl-ciphers NONE-SUCH",
            "--ssl-ciphers 'NONE-SUCH' names no cipher; write them as for the command openssl ciphers",
        ),
        (
            "--http 2",
            "--http '2' is spoken inside of TLS; give --ssl-certfile, or use --h2c prior-knowledge to do without",
        ),
        ("--ssl-version 17", "--ssl-version is not supported; "),
    ],
)


@MISTAKES
def test_a_mistake_is_one_line_and_exit_code_2(
    files: Files, capfd: pytest.CaptureFixture[str], arguments: str, told: str
) -> None:
    (files.folder / "main.py").write_text("async def app(scope, receive, send): ...", "utf-8")
    assert main([*arguments.split(), "--port", "0", "--log-level", "debug", "main:app"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"tricorn: {told}")
    assert err.count("\n") == 1
    assert "incorrect" not in err


async def test_a_mistake_is_told_before_anything_begins(backend: Any, files: Files) -> None:
    calls = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        calls.append(scope)

    with pytest.raises(runtime.ConfigError, match="^ssl_certfile 'nowhere.pem' cannot be read"):
        await runtime.serve(app, port=0, ssl_certfile="nowhere.pem")
    assert calls == []


def test_a_context_and_a_certificate_are_one_too_many() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(runtime.ConfigError, match="^ssl_certfile and ssl_context are two ways"):
        runtime.Server(hello, ssl_certfile="both.pem", ssl_context=context)


def test_a_context_for_clients_is_refused() -> None:
    with pytest.raises(runtime.ConfigError, match="^ssl_context is for clients"):
        runtime.Server(hello, ssl_context=ssl.create_default_context())


def test_http_2_alone_needs_tls_or_a_word_about_it() -> None:
    runtime.Server(hello, http="2", ssl_certfile="both.pem")
    runtime.Server(hello, http="2", ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    runtime.Server(hello, http="2", h2c="prior-knowledge")
    with pytest.raises(runtime.ConfigError, match="^http '2' is spoken inside of TLS"):
        runtime.Server(hello, http="2")


@pytest.mark.parametrize("value", [SECRET.encode(), 12345, [SECRET]])
def test_a_password_is_in_no_message(value: Any) -> None:
    with pytest.raises(runtime.ConfigError) as caught:
        Config(ssl_certfile="both.pem", ssl_keyfile_password=value)
    assert str(caught.value) == "ssl_keyfile_password must be text"


def test_a_password_is_in_no_representation() -> None:
    config = Config(ssl_certfile="both.pem", ssl_keyfile_password=SECRET)
    assert config.ssl_keyfile_password == SECRET
    assert SECRET not in repr(config)


def test_a_password_may_be_the_word_none() -> None:
    assert Config(ssl_certfile="both.pem", ssl_keyfile_password="none").ssl_keyfile_password == "none"


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ("--certfile a --keyfile b", {"ssl_certfile": "a", "ssl_keyfile": "b"}),
        ("--certfile a --keyfile-password x", {"ssl_certfile": "a", "ssl_keyfile_password": "x"}),
        (
            "--certfile a --ca-certs c --verify-mode CERT_REQUIRED",
            {"ssl_certfile": "a", "ssl_ca_certs": "c", "ssl_cert_reqs": "required"},
        ),
        ("--ciphers ECDHE", {"ssl_ciphers": "ECDHE"}),
        ("--timeout-tls-handshake 500ms", {"timeout_tls_handshake": 0.5}),
    ],
)
def test_flags_of_other_servers_are_known(arguments: str, options: dict[str, Any]) -> None:
    assert parse([*arguments.split(), "main:app"])[1] == Config(**options)
