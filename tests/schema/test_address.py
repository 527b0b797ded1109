import pytest

from restate.runtime.schema.address import AddressSyntaxError, join_path, parse_uri


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("http://h:1", "http://h:1/"),
        ("HTTP://h:1/p/?x=1#f", "http://h:1/p/?x=1"),
        (" https://u:p@h ", "https://u:p@h/"),
        ("http://[::1]:9080", "http://[::1]:9080/"),
    ],
)
def test_the_stored_form_is_absolute_with_a_path(text: str, uri: str) -> None:
    assert parse_uri(text, assume_http=False) == uri


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("localhost:9080", "http://localhost:9080/"),
        ("127.0.0.1:9080/base?x=1", "http://127.0.0.1:9080/base?x=1"),
        ("[::1]:9080", "http://[::1]:9080/"),
        ("https://h:1/", "https://h:1/"),
    ],
)
def test_a_host_with_port_may_stand_for_http(text: str, uri: str) -> None:
    assert parse_uri(text, assume_http=True) == uri


@pytest.mark.parametrize("text", ["", "localhost", "localhost:9080", "/x", "//h/x", "http:", "http:/x"])
def test_what_has_no_scheme_or_host_is_relative(text: str) -> None:
    with pytest.raises(AddressSyntaxError) as caught:
        parse_uri(text, assume_http=False)
    assert caught.value.relative


@pytest.mark.parametrize(
    "text",
    [
        "ftp://h/",
        "http://h:x/",
        "http://h:70000/",
        "http://h:0/",
        "http://h/ x",
        "http://hé/",
        "http://[::/",
        "http://h/\r\nx",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(AddressSyntaxError) as caught:
        parse_uri(text, assume_http=True)
    assert not caught.value.relative


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("http://h:1/", b"/discover"),
        ("http://h:1/base", b"/base/discover"),
        ("http://h:1/ok/?t=1", b"/ok/discover?t=1"),
    ],
)
def test_paths_are_joined_and_the_query_kept(uri: str, path: bytes) -> None:
    assert join_path(uri, "/discover") == path
