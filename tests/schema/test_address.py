import pytest

from restate.runtime.schema.address import AddressSyntaxError, join_path, parse_arn, parse_uri


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


def test_an_address_has_a_length_that_servers_take() -> None:
    longest = "http://h:1/" + "a" * (8192 - 11)
    assert parse_uri(longest, assume_http=False) == longest
    with pytest.raises(AddressSyntaxError, match="at most 8192 characters, got 8193") as refused:
        parse_uri(longest + "a", assume_http=False)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:lambda:eu-central-1:123456789012:function:greeter:1",
        "arn:aws-cn:lambda:cn-north-1:1:function:f:$LATEST",
        "arn:aws:lambda:eu:1:function:f:alias:more",
    ],
)
def test_the_arn_of_a_function_with_a_version(text: str) -> None:
    assert parse_arn(text) == text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "A qualified ARN must have 8 components delimited by `:`"),
        ("arn:aws:lambda:eu:1:function", "A qualified ARN must have 8 components delimited by `:`"),
        ("arn:aws:lambda:eu:1:function:f", "A qualified ARN needs a version or alias suffix"),
        ("arn:aws:lambda:eu:1:function:f:", "A qualified ARN needs a version or alias suffix"),
        ("foo:aws:s3:eu:1:layer:f:1", "First component of the ARN must be `arn`"),
        ("arn:aws:s3:eu:1:layer::1", "ARN must refer to a `function` resource"),
        ("arn:aws:s3:eu:1:function:f:1", "ARN must be for the lambda service"),
        ("arn::lambda:eu:1:function:f:1", "must all be non-empty"),
        ("arn:aws:lambda:eu::function:f:1", "must all be non-empty"),
        ("arn:aws:lambda:eu:1:function:f f:1", "printable ASCII"),
        ("arn:aws:lambda:eu:1:function:f:" + "1" * 3000, "at most 2048"),
    ],
)
def test_what_is_no_such_arn_is_told_as_the_official_server_does(text: str, fault: str) -> None:
    with pytest.raises(AddressSyntaxError) as refused:
        parse_arn(text)
    assert fault in str(refused.value)
