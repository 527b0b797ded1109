"""What is wrong from outside ends the start with one line: code, setting, its source, what was expected. The disk is as
it was.
"""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from restate.runtime.config import load
from restate.runtime.config.origin import with_origin
from restate.runtime.config.tree import SETTINGS
from restate.runtime.config.values import Address
from restate.runtime.errors import ConfigError, StorageDamaged
from restate.runtime.storage.precheck import check_files
from restate.runtime.storage.rocksdb import MARK, RocksStore
from restate.runtime.wiring import check
from tests.server.process import COMMAND, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

pytestmark = pytest.mark.slow


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """{path: (bytes, time of the last change)}, folders included."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        found[str(path.relative_to(folder))] = (status.st_size, status.st_mtime_ns)
    return found


def refusal(folder: Path, *arguments: str, **settings: str) -> str:
    """The one line of a server that does not start, and leaves everything as it was."""
    before = listing(folder)
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(**settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert done.stdout == ""
    assert listing(folder) == before
    assert lines[0].startswith("restate-server: [RT0")
    return lines[0]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that are not what a setting expects."""
    folder = tmp_path_factory.mktemp("secrets")
    ed25519, rsa = Ed25519PrivateKey.generate(), generate_private_key(65537, 2048)
    pem, pkcs8 = Encoding.PEM, PrivateFormat.PKCS8
    certificate = trustme.CA().issue_cert("localhost")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(folder / "other_key.pem")
    locked = BestAvailableEncryption(b"secret")
    (folder / "locked_key.pem").write_bytes(ed25519.private_bytes(pem, pkcs8, locked))
    (folder / "rsa_key.pem").write_bytes(rsa.private_bytes(pem, pkcs8, NoEncryption()))
    (folder / "empty").touch()
    (folder / "binary").write_bytes(b"\xff\xfe\x00")
    (folder / "spaces").write_text("one two\n")
    (folder / "folder").mkdir()
    return folder


@attrs.frozen
class Wrong:
    """settings: {variable without its prefix: text}; `@x` is a file of `secrets`. expected: parts of the line."""

    settings: Mapping[str, str]
    expected: tuple[str, ...]
    name: str


def file(variable: str, content: str, *expected: str, **others: str) -> Wrong:
    """A setting that names a file which cannot be used."""
    setting = variable.lower().replace("__", ".")
    named = f"[RT0002] {setting} (environment RESTATE_{variable}): "
    return Wrong({variable: f"@{content}", **others}, (named, "expected", *expected), f"{setting}-{content}")


_TOKEN_FILES = [
    wrong
    for port in ("NODE_CTRL", "INGRESS", "ADMIN")
    for wrong in (
        file(f"{port}__TOKEN_FILE", "missing", "No such file"),
        file(f"{port}__TOKEN_FILE", "folder", "Is a directory"),
        file(f"{port}__TOKEN_FILE", "empty", "at least one token"),
        file(f"{port}__TOKEN_FILE", "binary", "UTF-8"),
        file(f"{port}__TOKEN_FILE", "spaces", "without spaces"),
    )
]
_CERTIFICATES = [
    wrong
    for port in ("NODE_CTRL", "INGRESS", "ADMIN", "POSTGRES")
    for wrong in (
        file(f"{port}__TLS_CERTIFICATE_FILE", "missing", "No such file"),
        file(f"{port}__TLS_CERTIFICATE_FILE", "empty", "PEM"),
        file(f"{port}__TLS_CERTIFICATE_FILE", "certificate.pem", "private key"),
        file(
            f"{port}__TLS_KEY_FILE",
            "missing",
            "No such file",
            **{f"{port}__TLS_CERTIFICATE_FILE": "@certificate.pem"},
        ),
        file(
            f"{port}__TLS_KEY_FILE",
            "empty",
            "private key",
            **{f"{port}__TLS_CERTIFICATE_FILE": "@certificate.pem"},
        ),
        file(
            f"{port}__TLS_KEY_FILE",
            "locked_key.pem",
            "password",
            **{f"{port}__TLS_CERTIFICATE_FILE": "@certificate.pem"},
        ),
        file(
            f"{port}__TLS_KEY_FILE",
            "other_key.pem",
            "private key",
            **{f"{port}__TLS_CERTIFICATE_FILE": "@certificate.pem"},
        ),
        file(f"{port}__TLS_KEY_FILE", "key.pem", "tls_certificate_file to be set"),
    )
]
_OTHERS = [
    file("POSTGRES__PASSWORD_FILE", "missing", "No such file"),
    file("POSTGRES__PASSWORD_FILE", "empty", "first line"),
    file("POSTGRES__PASSWORD_FILE", "binary", "UTF-8"),
    file("NET__CLIENT_CA_FILE", "missing", "No such file"),
    file("NET__CLIENT_CA_FILE", "empty", "holds none"),
    file("INVOKER__REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE", "missing", "No such file"),
    file("INVOKER__REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE", "empty", "0 PEM blocks"),
    file("INVOKER__REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE", "locked_key.pem", "encrypted"),
    file("INVOKER__REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE", "rsa_key.pem", "another kind"),
    file("QUERY__TMP_DIR", "empty", "can be made and written"),
    file("QUERY__TMP_DIR", "empty/below", "can be made and written"),
    file("OBSERVABILITY__TRACING__JSON_FILE_EXPORT_PATH", "empty", "can be made and written"),
    *(
        Wrong(
            {variable: "/tmp/" + "a" * 300},
            (
                f"{variable.lower().replace('__', '.')} (environment RESTATE_{variable}): expected",
                "File name too long",
            ),
            f"{variable}-too-long",
        )
        for variable in (
            "QUERY__TMP_DIR",
            "OBSERVABILITY__TRACING__JSON_FILE_EXPORT_PATH",
            "ADMIN__TOKEN_FILE",
        )
    ),
    *(
        Wrong(
            {"OBSERVABILITY__TRACING__HEADERS": headers},
            (
                "observability.tracing.headers (environment RESTATE_OBSERVABILITY__TRACING__HEADERS): expected",
                "name=value",
            ),
            f"tracing-headers-{number}",
        )
        for number, headers in enumerate(("nothing", "two words=1", "a=b\nc", "a=é", "=b"))
    ),
    Wrong(
        {"INGRESS__TOKEN": "one two"},
        ("[RT0002] ingress.token (environment RESTATE_INGRESS__TOKEN): expected", "without spaces"),
        "token",
    ),
    Wrong(
        {"OBSERVABILITY__TRACING__ENDPOINT": "localhost:1", "OBSERVABILITY__TRACING__HEADERS": "nothing"},
        (
            "[RT0002] observability.tracing.headers (environment RESTATE_OBSERVABILITY__TRACING__HEADERS): expected",
            "name=value",
        ),
        "tracing-headers",
    ),
    Wrong(
        {"INGRESS__BIND_ADDRESS": "192.0.2.1:80"},
        (
            "[RT0004] ingress.bind_address (environment RESTATE_INGRESS__BIND_ADDRESS): cannot listen on 192.0.2.1:80",
        ),
        "address",
    ),
    Wrong(
        {"BIND_IP": "192.0.2.1"},
        ("[RT0004] node_ctrl.bind_address (", "bind_ip: environment RESTATE_BIND_IP", "192.0.2.1"),
        "bind_ip",
    ),
]


def given(wrong: Wrong, secrets: Path) -> dict[str, str]:
    """{variable without its prefix: text}."""
    return {
        variable: str(secrets / text[1:]) if text.startswith("@") else text
        for variable, text in wrong.settings.items()
    }


@pytest.mark.parametrize(
    "wrong", [*_TOKEN_FILES, *_CERTIFICATES, *_OTHERS[:-2]], ids=lambda wrong: wrong.name
)
def test_a_file_that_cannot_be_used_is_named_with_its_source(
    tmp_path: Path, secrets: Path, wrong: Wrong
) -> None:
    variables = {f"RESTATE_{name}": text for name, text in given(wrong, secrets).items()}
    config = load({}, variables, tmp_path)
    with pytest.raises(ConfigError) as caught:
        check(config)
    message = with_origin(caught.value.message, config)
    for part in wrong.expected:
        assert part.removeprefix("[RT0002] ") in message


@pytest.mark.parametrize(
    "wrong", [_TOKEN_FILES[0], *_CERTIFICATES[:4], *_OTHERS], ids=lambda wrong: wrong.name
)
def test_the_server_does_not_start_with_it_and_changes_nothing(
    tmp_path: Path, secrets: Path, wrong: Wrong
) -> None:
    line = refusal(tmp_path, **given(wrong, secrets))
    for part in wrong.expected:
        assert part in line


@pytest.mark.parametrize("wrong", [_TOKEN_FILES[0], _OTHERS[0]], ids=lambda wrong: wrong.name)
def test_the_check_of_the_configuration_says_the_same(tmp_path: Path, secrets: Path, wrong: Wrong) -> None:
    assert refusal(tmp_path, "--check-config", **given(wrong, secrets)) == refusal(
        tmp_path, **given(wrong, secrets)
    )


def test_the_source_may_be_a_file_or_the_command_line(tmp_path: Path, secrets: Path) -> None:
    (tmp_path / "restate.toml").write_text(f'[net]\nclient_ca_file = "{secrets / "missing"}"\n')
    assert "net.client_ca_file (restate.toml): expected certificates" in refusal(tmp_path)
    line = refusal(tmp_path, "--set", f"net.client_ca_file={secrets / 'empty'}")
    assert "net.client_ca_file (command line): expected certificates" in line


@pytest.mark.parametrize(
    "name", [name for name, each in SETTINGS.items() if isinstance(each.default, Address)]
)
def test_a_port_in_use_is_named_with_its_source(tmp_path: Path, name: str) -> None:
    variable = name.upper().replace(".", "__")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = refusal(tmp_path, **{variable: f"127.0.0.1:{taken.getsockname()[1]}"})
    assert f"[RT0004] {name} (environment RESTATE_{variable}): cannot listen on 127.0.0.1:" in line
    assert "it is in use" in line


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("ingress = 1", "ingress (restate.toml): expected a section"),
        ("[ingress]\nbind_adress = 1", "did you mean ingress.bind_address?"),
        ("[ingress]\nbind_address = [1]", "ingress.bind_address (restate.toml): expected a single value"),
        ("[[", "is not valid TOML"),
        ("\0", "is not valid TOML"),
    ],
)
def test_a_configuration_file_that_cannot_be_used_is_named(
    tmp_path: Path, content: str, expected: str
) -> None:
    (tmp_path / "restate.toml").write_text(content)
    line = refusal(tmp_path)
    assert "[RT0002]" in line
    assert expected in line


def test_a_configuration_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path, "--config-file", "nowhere.toml")
    (tmp_path / "folder.toml").mkdir()
    assert "Is a directory" in refusal(tmp_path, "--config-file", "folder.toml")
    (tmp_path / "other.json").touch()
    assert "expected a .toml, .yaml or .yml" in refusal(tmp_path, CONFIG="other.json")


@pytest.mark.parametrize("base_dir", ["file", "file/below", "/proc/nowhere", "dangling"])
def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path, base_dir: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "file" / "x")
    line = refusal(tmp_path, BASE_DIR=base_dir)
    assert "[RT0002] base_dir (environment RESTATE_BASE_DIR): expected a directory" in line


def _store(folder: Path) -> Path:
    """A database with a file of rows and a log."""
    path = folder / "target" / "db"
    for number in range(3):
        # Each open writes the rows of the last log into a file.
        store = RocksStore.open(path)
        store.write([("state", b"%d" % key, b"x" * 100) for key in range(number, 200)])
        store.close()
    assert list(path.glob("*.sst"))
    return path


def without_current(path: Path) -> None:
    (path / "CURRENT").unlink()


def with_nonsense_in_current(path: Path) -> None:
    (path / "CURRENT").write_text("nonsense")


def without_manifest(path: Path) -> None:
    for each in path.glob("MANIFEST-*"):
        each.unlink()


def with_a_short_table(path: Path) -> None:
    table = next(path.glob("*.sst"))
    table.write_bytes(table.read_bytes()[:-40])


def with_an_empty_table(path: Path) -> None:
    next(path.glob("*.sst")).write_bytes(b"")


def of_a_newer_version(path: Path) -> None:
    mark = path / "COMMITTED"
    mark.write_bytes(MARK.pack(MARK.unpack(mark.read_bytes())[0], 99))


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (without_current, "[RT0009] base_dir (default): the database "),
        (with_nonsense_in_current, "[RT0009] base_dir (default): the database "),
        (without_manifest, "[RT0009] base_dir (default): the database "),
        (with_a_short_table, "[RT0009] base_dir (default): the database "),
        (with_an_empty_table, "[RT0009] base_dir (default): the database "),
        (of_a_newer_version, "[RT0008] base_dir (default): expected storage format version 1"),
    ],
)
def test_half_a_store_and_one_of_a_newer_version_are_left_alone(
    tmp_path: Path, harm: Callable[[Path], None], expected: str
) -> None:
    harm(_store(tmp_path))
    assert expected in refusal(tmp_path)


def test_a_store_that_lost_a_table_is_damaged_and_keeps_the_others(tmp_path: Path) -> None:
    path = _store(tmp_path)
    next(path.glob("*.sst")).unlink()
    before = [path.read_bytes() for path in sorted(path.glob("[0-9MC]*"))]
    with pytest.raises(StorageDamaged, match="No such file"):
        RocksStore.open(path)
    assert [path.read_bytes() for path in sorted(path.glob("[0-9MC]*"))] == before


def test_a_table_that_was_begun_when_the_server_was_killed_is_no_damage(tmp_path: Path) -> None:
    path = _store(tmp_path)
    (path / "009999.sst").write_bytes(b"half")
    check_files(path)
    RocksStore.open(path).close()
