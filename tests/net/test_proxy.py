import pytest

from restate.runtime.net.origin import Origin
from restate.runtime.net.proxy import Proxy

PROXY = "http://proxy.test:3128"


def carried(uri: str, exceptions: str = "", proxy: str = PROXY) -> bool:
    """Whether the proxy gets what is sent to `uri`."""
    origin = Origin.of(uri)
    made = Proxy.of(proxy, exceptions)
    peer = made.peer(origin)
    assert peer in (origin, made.origin)
    return peer == made.origin


def test_the_proxy_gets_http_and_nothing_else() -> None:
    assert carried("http://service.test:9080/base")
    assert carried("http://10.0.0.1")
    assert not carried("https://service.test")


@pytest.mark.parametrize("host", ["localhost", "api.localhost", "127.0.0.1", "127.1.2.3", "[::1]"])
def test_a_proxy_elsewhere_does_not_get_what_is_for_this_machine(host: str) -> None:
    assert not carried(f"http://{host}:9080")
    assert carried(f"http://{host}:9080", proxy="http://127.0.0.1:10001")


@pytest.mark.parametrize(
    ("uri", "exceptions"),
    [
        ("http://service.test", "other, service.test"),
        ("http://Service.Test:9080", "service.TEST"),
        ("http://api.service.test", "service.test"),
        ("http://service.test", ".service.test"),
        ("http://api.service.test", "*.service.test"),
        ("http://service.test", "*"),
        ("http://10.1.2.3", "10.0.0.0/8"),
        ("http://10.1.2.3", "10.1.2.3"),
        ("http://[fd00::1]", "fd00::/8"),
    ],
)
def test_exceptions_are_called_directly(uri: str, exceptions: str) -> None:
    assert not carried(uri, exceptions)


@pytest.mark.parametrize(
    ("uri", "exceptions"),
    [
        ("http://myservice.test", "service.test"),
        ("http://service.test", "api.service.test, ,"),
        ("http://10.1.2.3", "10.1.2.0/31, ::/0"),
        ("http://service.test", "0.0.0.0/0"),
    ],
)
def test_what_is_only_alike_is_no_exception(uri: str, exceptions: str) -> None:
    assert carried(uri, exceptions)
