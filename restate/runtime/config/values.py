"""Single values of the configuration: the types of settings, and how each is read from text, TOML or YAML, and printed.

A setting's type is plain (`int`, `str`) to everybody who uses it. The annotation tells which reader it gets.
"""

import ipaddress
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

import attrs
import cattrs

from restate.runtime.model.duration import format_duration, parse_duration
from restate.runtime.model.kafka import KafkaCluster, has_brokers, masked
from restate.runtime.telemetry.log import parse_filter

KIB = 1024
MIB = 1024 * KIB

Millis = Annotated[int, "duration"]
PositiveMillis = Annotated[int, "positive duration"]
"""One that would leave no time for anything if it were 0."""
Size = Annotated[int, "size"]
Window = Annotated[int, "window"]
"""A size that HTTP/2 is told: below 2 GiB."""
WholeWindow = Annotated[int, "whole window"]
"""The same of a connection, which HTTP/2 begins with 64 KiB."""
Count = Annotated[int, "count"]
Threads = Annotated[int, "threads"]
"""A count of operating system threads."""
Factor = Annotated[float, "factor"]
Ratio = Annotated[float, "ratio"]
Attempts = Annotated[int | Literal["unlimited"], "attempts"]
LogFilter = Annotated[str, "log filter"]
Ip = Annotated[str, "ip"]
Url = Annotated[str, "url"]
HeaderText = Annotated[str, "header text"]
"""Text that becomes the value of a header."""
Secret = Annotated[str, "secret"]
"""Text that is never printed."""
KafkaClusters = Annotated[tuple[KafkaCluster, ...], "kafka clusters"]
LogFormat = Literal["pretty", "compact", "json"]
OnMaxAttempts = Literal["pause", "kill"]
RetryType = Literal["exponential", "fixed_delay", "none"]
OtlpProtocol = Literal["http", "grpc"]

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]i?B|B|)", re.IGNORECASE)
_SIZE_UNITS = {"": 1, "b": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("kmgt", start=1)
    for suffix, base in (("b", 1000), ("ib", 1024))
}
_URL = re.compile(r"[\x21-\x7e]+")
_MAX_SIZE = 2**53
_MAX_COUNT = 2**31 - 1
_MAX_THREADS = 1024
_HEADER_TEXT = re.compile(r"[\x20-\x7e]{1,255}")
_CLUSTER_NAME = re.compile(r"[A-Za-z0-9._~-]+")


@attrs.frozen
class Address:
    """Where to listen. ip: an IPv4 or IPv6 address, or "" while bind_ip is to be applied. port: 0 means any free one."""

    ip: str
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


def read_address(raw: object) -> Address:
    """Read `ip:port`, `[ip6]:port`, `:port` or a bare port; without an ip the address has ip ""."""
    expected = f"expected an address such as '127.0.0.1:8080', '[::1]:8080', ':8080' or '8080', got {raw!r}"
    text = str(raw).strip() if isinstance(raw, str | int) and not isinstance(raw, bool) else ""
    host, separator, port_text = text.rpartition(":")
    if not separator:
        host, port_text = "", text
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    if not re.fullmatch(r"[0-9]{1,5}", port_text) or int(port_text) > 65535:
        raise ValueError(expected)
    if (bracketed or ":" in host) and not (bracketed and ":" in host):
        raise ValueError(expected)
    return Address(read_ip(host) if host else "", int(port_text))


def read_ip(raw: object) -> str:
    """Read an IPv4 or IPv6 address; `localhost` is 127.0.0.1."""
    if raw == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(raw if isinstance(raw, str) else ""))
    except ValueError:
        raise ValueError(
            f"expected an IP address such as '127.0.0.1', '0.0.0.0' or '::1', got {raw!r}"
        ) from None


def read_duration(raw: object) -> int:
    """Milliseconds. A bare number is refused, except 0: its unit would be a guess."""
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        raise ValueError(f"expected a duration such as '10s' or '1m 30s', got {raw!r}")
    return parse_duration(str(raw))


def read_positive_duration(raw: object) -> int:
    """Milliseconds, at least 1."""
    duration_ms = read_duration(raw)
    if duration_ms == 0:
        raise ValueError(f"expected a duration of more than 0, such as '10s', got {raw!r}")
    return duration_ms


def read_size(raw: object) -> int:
    """Bytes, at least 1: an integer, or text such as `32MiB`, `1.5 GB`."""
    match = (
        _SIZE.fullmatch(str(raw).strip())
        if isinstance(raw, str | int) and not isinstance(raw, bool)
        else None
    )
    size = int(float(match[1]) * _SIZE_UNITS[match[2].lower()]) if match else 0
    if not 1 <= size <= _MAX_SIZE:
        raise ValueError(f"expected a size such as '32MiB', '10 MB' or a number of bytes, got {raw!r}")
    return size


def read_window(raw: object) -> int:
    """A size that HTTP/2 can be told."""
    size = read_size(raw)
    if size > _MAX_COUNT:
        raise ValueError(f"expected a size of at most 2047MiB, got {raw!r}")
    return size


def read_whole_window(raw: object) -> int:
    """A size that HTTP/2 can be told of a connection."""
    size = read_window(raw)
    if size < 64 * KIB:
        raise ValueError(f"expected a size of at least 64KiB, got {raw!r}")
    return size


def read_count(raw: object) -> int:
    """An integer, at least 1."""
    if isinstance(raw, str) and re.fullmatch(r"[0-9]{1,12}", raw.strip()):
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int) or raw < 1:
        raise ValueError(f"expected a whole number of at least 1, got {raw!r}")
    if raw > _MAX_COUNT:
        raise ValueError(f"expected a whole number of at most {_MAX_COUNT}, got {raw!r}")
    return raw


def read_threads(raw: object) -> int:
    """An integer, at least 1, and no more than a process can have for one purpose."""
    count = read_count(raw)
    if count > _MAX_THREADS:
        raise ValueError(f"expected a whole number of at most {_MAX_THREADS}, got {raw!r}")
    return count


def read_factor(raw: object) -> float:
    """A number, at least 1."""
    try:
        factor = float(raw) if isinstance(raw, str | int | float) and not isinstance(raw, bool) else math.nan
    except ValueError:
        factor = math.nan
    if not (1 <= factor < math.inf):
        raise ValueError(f"expected a number of at least 1.0, got {raw!r}")
    return factor


def read_ratio(raw: object) -> float:
    """A number from 0 to 1."""
    try:
        ratio = float(raw) if isinstance(raw, str | int | float) and not isinstance(raw, bool) else math.nan
    except ValueError:
        ratio = math.nan
    if not 0 <= ratio <= 1:
        raise ValueError(f"expected a number from 0.0 to 1.0, got {raw!r}")
    return ratio


def read_attempts(raw: object) -> int | Literal["unlimited"]:
    """An integer, at least 1, or `unlimited`; null, as upstream files have it, is unlimited too."""
    if raw is None or (isinstance(raw, str) and raw.lower() in ("unlimited", "infinite")):
        return "unlimited"
    try:
        return read_count(raw)
    except ValueError:
        raise ValueError(f"expected a whole number of at least 1, or 'unlimited', got {raw!r}") from None


def read_flag(raw: object) -> bool:
    """true or false, as a value or as text in any case."""
    words = {"true": True, "false": False}
    flag = words.get(raw.strip().lower()) if isinstance(raw, str) else raw
    if not isinstance(flag, bool):
        raise ValueError(f"expected true or false, got {raw!r}")
    return flag


def read_text(raw: object) -> str:
    """Text that is not empty."""
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError(f"expected text, got {raw!r}")
    return raw.strip()


def read_header_text(raw: object) -> str:
    """Text that any header can have."""
    text = read_text(raw)
    if not _HEADER_TEXT.fullmatch(text):
        raise ValueError(f"expected at most 255 printable ASCII characters, got {text[:300]!r}")
    return text


def read_path(raw: object) -> Path:
    """The name of a file or directory, which may be missing."""
    text = read_text(raw)
    if "\0" in text:
        raise ValueError(f"expected a path, got {raw!r}")
    return Path(text)


def read_secret(raw: object) -> str:
    """Text that is not empty, which the error does not repeat. Spaces at its ends belong to it."""
    if not isinstance(raw, str) or not raw:
        raise ValueError("expected text")
    return raw


def read_url(raw: object) -> str:
    """An http:// or https:// address; without a scheme it is http. A user and password in it are dropped."""
    text = raw.strip() if isinstance(raw, str) else ""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and _URL.fullmatch(text):
            return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        pass
    _, at, rest = text.rpartition("@")
    # Before the @ there may be a password.
    shown = f"***@{rest}" if at else raw
    raise ValueError(f"expected an address such as 'http://proxy.example:3128', got {shown!r}")


def read_log_filter(raw: object) -> str:
    """A filter such as `warn,restate=info`, kept as text."""
    text = read_text(raw)
    parse_filter(text)
    return text


def read_kafka_clusters(raw: object) -> tuple[KafkaCluster, ...]:
    """A list of tables with `name` and `brokers`, or one table of them by name; as text, in JSON or TOML.

    All other keys are properties of Kafka's clients. Values do not appear in errors: they may be secrets.
    """
    tables = _read_inline(raw) if isinstance(raw, str) else raw
    if isinstance(tables, dict):
        tables = [{"name": name, **_table(table)} for name, table in tables.items()]
    if not isinstance(tables, list):
        raise ValueError("expected a list of tables, each with name and brokers")
    clusters = tuple(_read_kafka_cluster(_table(table)) for table in tables)
    if len({cluster.name for cluster in clusters}) < len(clusters):
        raise ValueError("expected another name for each cluster")
    return clusters


def _read_kafka_cluster(table: dict[Any, Any]) -> KafkaCluster:
    properties = dict(table)
    name, brokers = properties.pop("name", None), properties.pop("brokers", None)
    if not isinstance(name, str) or not _CLUSTER_NAME.fullmatch(name):
        raise ValueError(f"expected a name such as 'my-cluster' for each cluster, got {name!r}")
    if isinstance(brokers, list) and all(isinstance(broker, str) for broker in brokers):
        properties["metadata.broker.list"] = ",".join(brokers)
    elif isinstance(brokers, str):
        properties["metadata.broker.list"] = brokers
    elif brokers is not None:
        raise ValueError(f"cluster {name}: expected brokers as a list of host:port")
    wrong = [key for key, value in properties.items() if not isinstance(value, str)]
    if wrong:
        raise ValueError(f"cluster {name}: expected text for {wrong[0]}; put its value between quotes")
    pairs = tuple(sorted(properties.items()))
    if not has_brokers(pairs):
        raise ValueError(f"cluster {name}: expected brokers, a list of host:port")
    return KafkaCluster(name, pairs)


def _table(value: object) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ValueError("expected a table with name and brokers for each cluster")
    return value


def _read_inline(text: str) -> object:
    import tomllib  # only here: most starts have no such text

    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        raise ValueError("expected a list of tables in JSON or in TOML's inline form") from None


def _reader_of_choice(*words: str) -> Callable[[object], str]:
    def read_choice(raw: object) -> str:
        word = raw.strip().lower().replace("-", "_") if isinstance(raw, str) else None
        # Upstream writes some choices in camel case, FixedDelay for one.
        found = next((w for w in words if word in (w, w.replace("_", ""))), None)
        if found is None:
            raise ValueError(f"expected one of {', '.join(words)}, got {raw!r}")
        return found

    return read_choice


def _converter() -> cattrs.Converter:
    """Structures one raw value to a setting's type; each reader raises ValueError with what was expected."""
    converter = cattrs.Converter(detailed_validation=False)
    readers: list[tuple[Any, Callable[[Any], Any]]] = [
        (str, read_text),
        (bool, read_flag),
        (Address, read_address),
        (Path, read_path),
        (Millis, read_duration),
        (PositiveMillis, read_positive_duration),
        (Size, read_size),
        (Window, read_window),
        (WholeWindow, read_whole_window),
        (Count, read_count),
        (Threads, read_threads),
        (Factor, read_factor),
        (Ratio, read_ratio),
        (Attempts, read_attempts),
        (LogFilter, read_log_filter),
        (Ip, read_ip),
        (Url, read_url),
        (HeaderText, read_header_text),
        (Secret, read_secret),
        (KafkaClusters, read_kafka_clusters),
        (LogFormat, _reader_of_choice("pretty", "compact", "json")),
        (OnMaxAttempts, _reader_of_choice("pause", "kill")),
        (RetryType, _reader_of_choice("exponential", "fixed_delay", "none")),
        (OtlpProtocol, _reader_of_choice("http", "grpc")),
    ]
    for kind, reader in readers:
        _register(converter, kind, reader)
    return converter


def _register(converter: cattrs.Converter, kind: Any, reader: Callable[[Any], Any]) -> None:
    # A setting that may be unset has the type `kind | None`; unset is the absence of the key, never a value.
    accepted = (kind, kind | None)
    converter.register_structure_hook_func(lambda found: found in accepted, lambda raw, _: reader(raw))
    if isinstance(kind, type):
        # For these the library has hooks of its own, which come first: they would take "false" for true.
        converter.register_structure_hook(kind, lambda raw, _: reader(raw))


CONVERTER = _converter()


_DURATIONS = (Millis, Millis | None, PositiveMillis, PositiveMillis | None)


def print_value(value: object, kind: object) -> str:
    """A value as it can be written into a TOML file."""
    if kind in (Secret, Secret | None):
        return '"***"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and kind in _DURATIONS:
        return f'"{format_duration(value)}"'
    if isinstance(value, int) and kind in (Size, Size | None, Window, WholeWindow) and value % KIB == 0:
        return f'"{value // MIB}MiB"' if value % MIB == 0 else f'"{value // KIB}KiB"'
    if isinstance(value, int | float):
        return str(value)
    if kind == KafkaClusters:
        assert isinstance(value, tuple)
        return f"[{', '.join(_print_cluster(cluster) for cluster in value)}]"
    return _quoted(value)


def _print_cluster(cluster: KafkaCluster) -> str:
    """As an inline table, without the secrets."""
    entries = {"name": cluster.name, **masked(cluster.properties)}
    return "{ " + ", ".join(f"{_quoted(name)} = {_quoted(value)}" for name, value in entries.items()) + " }"


def _quoted(value: object) -> str:
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
