import logging
from pathlib import Path

import attrs
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from restate.runtime.clock import SystemClock
from restate.runtime.config import Address, Config, load
from restate.runtime.errors import ConfigError
from restate.runtime.net.exchange import ClientLimits
from restate.runtime.net.limits import Limits
from restate.runtime.net.origin import Origin
from restate.runtime.query.postgres_options import PostgresOptions
from restate.runtime.storage.rocksdb import RocksOptions
from restate.runtime.wiring import (
    client_limits,
    client_proxy,
    client_trust,
    identity,
    ingress_url,
    listener_limits,
    pool_settings,
    postgres_options,
    rocks_options,
)


def configured(folder: Path, **settings: str) -> Config:
    return load({name.replace("__", "."): value for name, value in settings.items()}, {}, folder)


def test_without_settings_nothing_is_signed_trusted_or_diverted() -> None:
    config = Config()
    assert client_trust(config) is None
    assert client_proxy(config) is None
    assert identity(config, SystemClock()).headers("/discover") == [
        (b"x-restate-cluster-name", b"localcluster")
    ]


def test_what_is_not_set_is_what_the_parts_do_by_themselves(tmp_path: Path) -> None:
    config = Config(base_dir=tmp_path)
    assert listener_limits(config) == Limits()
    assert client_limits(config) == ClientLimits()
    assert rocks_options(config) == RocksOptions()
    settings = pool_settings(config)
    assert settings == attrs.evolve(settings, cancel_grace_s=0.25, longest_sql=1 << 20)
    assert (settings.worker.catalog_timeout_s, settings.worker.catalog_row_limit) == (0.5, 100_000)


@pytest.mark.parametrize(
    ("settings", "ip", "url"),
    [
        ({}, "127.0.0.1", "http://127.0.0.1:81/"),
        ({}, "0.0.0.0", "http://127.0.0.1:81/"),
        ({}, "::", "http://127.0.0.1:81/"),
        ({}, "10.1.2.3", "http://10.1.2.3:81/"),
        ({}, "::1", "http://[::1]:81/"),
        ({"ingress__tls_certificate_file": "x"}, "127.0.0.1", "https://127.0.0.1:81/"),
        ({"ingress__advertised_endpoint": "http://outside/"}, "127.0.0.1", "http://outside/"),
    ],
)
def test_clients_are_told_where_the_ingress_is(
    tmp_path: Path, settings: dict[str, str], ip: str, url: str
) -> None:
    assert ingress_url(configured(tmp_path, **settings), Address(ip, 81)) == url


def test_a_shutdown_is_divided_unless_its_parts_are_set() -> None:
    config = Config(shutdown_grace_period_ms=6_000)
    assert (config.shutdown_attempts_s, config.shutdown_clients_s) == (1.0, 0.3)
    config = Config(shutdown_attempts_timeout_ms=50_000, shutdown_clients_timeout_ms=0)
    assert (config.shutdown_attempts_s, config.shutdown_clients_s) == (50.0, 0.0)


def test_the_postgres_port_gets_its_settings_in_its_own_units(tmp_path: Path) -> None:
    options = postgres_options(Config(), None)
    assert options == PostgresOptions()
    config = configured(
        tmp_path,
        postgres__password="secret",
        postgres__idle_timeout="1m",
        postgres__write_timeout="500ms",
        postgres__sql_size_limit="2MiB",
        net__linger_timeout="3s",
    )
    options = postgres_options(config, None)
    assert options.password is not None
    assert (options.idle_timeout, options.write_timeout, options.limits.sql_size) == (
        60.0,
        0.5,
        2 * 1024 * 1024,
    )
    assert options.linger_timeout == 3


def test_a_key_file_beside_the_working_directory_signs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    config = configured(tmp_path, invoker__request_identity_private_key_pem_file="key.pem", cluster_name="c")
    with caplog.at_level(logging.INFO):
        headers = identity(config, SystemClock()).headers("/discover")
    assert [name for name, _ in headers] == [
        b"x-restate-signature-scheme",
        b"x-restate-jwt-v1",
        b"x-restate-cluster-name",
    ]
    assert "the public key is publickeyv1_" in caplog.text


def test_authorities_of_a_file_are_trusted_instead_of_the_systems(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    trust = client_trust(configured(tmp_path, net__client_ca_file="ca.pem"))
    assert trust is not None
    assert len(trust.get_ca_certs()) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "cannot read it: No such file"), (b"", "holds none"), (b"-----BEGIN X", "holds none")],
)
def test_a_file_without_certificates_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(ConfigError, match=reason) as caught:
        client_trust(configured(tmp_path, net__client_ca_file="ca.pem"))
    assert (caught.value.code, "\n" in caught.value.message) == ("RT0002", False)


def test_a_proxy_has_its_exceptions(tmp_path: Path) -> None:
    proxy = client_proxy(configured(tmp_path, net__client_proxy="proxy:3128", net__client_no_proxy="a.test"))
    assert proxy is not None
    assert [proxy.peer(Origin.of(f"http://{name}.test")).host for name in ("a", "b")] == ["a.test", "proxy"]
