"""JSON to protobuf and back: what callers of 0.8 could rely on."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import (
    any_pb2,
    descriptor_pool,
    empty_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.message import Message

from restate.runtime.pb import services_pb2, synth_pb2
from restate.runtime.rpc.json_options import JsonOptions
from restate.runtime.rpc.status import Code, RpcError
from restate.runtime.rpc.transcode import check_encoded, from_json, to_json

F = FieldDescriptorProto


def _field(name: str, number: int, kind: int, **more: Any) -> FieldDescriptorProto:
    more.setdefault("label", F.LABEL_OPTIONAL)
    return F(name=name, number=number, type=kind, **more)  # type: ignore[arg-type]


def _message_class() -> type[Message]:
    """One field of each kind that JSON treats in its own way."""
    file = FileDescriptorProto(
        name="t.proto", package="t", syntax="proto3", dependency=["google/protobuf/struct.proto"]
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
    file.enum_type.append(EnumDescriptorProto(name="E"))
    file.enum_type[0].value.add(name="ZERO", number=0)
    file.enum_type[0].value.add(name="ONE", number=1)
    message = DescriptorProto(name="M")
    message.oneof_decl.add(name="choice")
    message.field.extend(
        [
            _field("some_text", 1, F.TYPE_STRING),
            _field("big", 2, F.TYPE_INT64),
            _field("raw", 3, F.TYPE_BYTES),
            _field("kind", 4, F.TYPE_ENUM, type_name=".t.E"),
            _field("number", 5, F.TYPE_DOUBLE),
            _field("left", 6, F.TYPE_STRING, oneof_index=0),
            _field("right", 7, F.TYPE_STRING, oneof_index=0),
            _field("any", 8, F.TYPE_MESSAGE, type_name=".google.protobuf.Value"),
            _field("list", 9, F.TYPE_INT32, label=F.LABEL_REPEATED),
        ]
    )
    file.message_type.append(message)
    pool.AddSerializedFile(file.SerializeToString())
    made: type[Message] = message_factory.GetMessageClass(pool.FindMessageTypeByName("t.M"))
    return made


M: Any = _message_class()


def read(text: str) -> Any:
    return M.FromString(from_json(text.encode(), M))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", M()),
        (' {"someText":"x"} ', M(some_text="x")),
        ('{"some_text":"x"}', M(some_text="x")),
        ('{"big":"9007199254740993"}', M(big=9007199254740993)),
        ('{"big":12}', M(big=12)),
        ('{"raw":"-_-_"}', M(raw=b"\xfb\xff\xbf")),
        ('{"raw":"+/+/"}', M(raw=b"\xfb\xff\xbf")),
        ('{"raw":"YQ"}', M(raw=b"a")),
        ('{"kind":"ONE"}', M(kind=1)),
        ('{"kind":1}', M(kind=1)),
        ('{"someText":null,"big":null,"list":null}', M()),
        ('{"number":1e300}', M(number=1e300)),
        ('{"number":"Infinity"}', M(number=float("inf"))),
        ('{"list":[1,2]}', M(list=[1, 2])),
    ],
)
def test_json_is_read(text: str, expected: Any) -> None:
    assert read(text) == expected


def test_null_is_a_value_of_its_own_for_a_value_field() -> None:
    assert read('{"any":null}').any.WhichOneof("kind") == "null_value"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '"x"',
        "1",
        "{} {}",
        "{}x",
        '{"a"',
        "\xff",
        '{"nope":1}',
        '{"someText":1}',
        '{"big":"x"}',
        '{"big":1.5}',
        '{"big":"9223372036854775808"}',
        '{"kind":"TWO"}',
        '{"left":"a","right":"b"}',
        '{"someText":"a","someText":"b"}',
        '{"someText":"\\ud800"}',
        '{"number":NaN}',
        '{"any":{"a":Infinity}}',
        '{"any":1e999}',
        '{"any":' + "[" * 20_000 + "]" * 20_000 + "}",
        '{"any":' + "1" * 5000 + "}",
        '{"list":{}}',
    ],
)
def test_bad_json_is_refused(text: str) -> None:
    with pytest.raises(RpcError) as refused:
        from_json(text.encode("latin-1"), M)
    assert refused.value.code is Code.INVALID_ARGUMENT
    assert refused.value.message.startswith("Error when parsing request: ")
    assert len(refused.value.message) < 600


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(RpcError, match=r"unrecognized field name 'nope'$"):
        from_json(b'{"nope":1}', M)
    assert from_json(b'{"nope":1}', M, JsonOptions(deny_unknown_fields=False)) == b""


def test_defaults_are_written_and_unset_members_are_not() -> None:
    text = to_json(b"", M)
    assert text == b'{"someText":"","big":"0","raw":"","kind":"ZERO","number":0.0,"list":[]}'


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (M(number=3), b'"number":3.0'),
        (M(any={"number_value": 3}), b'"any":3.0'),
        (M(big=2**60), b'"big":"1152921504606846976"'),
        (M(raw=b"\xfb\xff"), b'"raw":"+/8="'),
        (M(kind=1), b'"kind":"ONE"'),
        (M(some_text="é☺"), '"someText":"é☺"'.encode()),
        (M(left=""), b'"left":""'),
    ],
)
def test_messages_are_written(message: Message, expected: bytes) -> None:
    assert expected in to_json(message.SerializeToString(), M)


def test_options_change_how_messages_are_written() -> None:
    raw = M(some_text="x", kind=1).SerializeToString()
    options = JsonOptions(use_enum_numbers=True, use_proto_field_name=True, skip_default_fields=True)
    assert to_json(raw, M, options) == b'{"some_text":"x","kind":1}'


@pytest.mark.parametrize(
    ("message_class", "text"),
    [
        (empty_pb2.Empty, b"{}"),
        (struct_pb2.Struct, b'{"a":1.0}'),
        (struct_pb2.ListValue, b"[1.0]"),
        (struct_pb2.Value, b'"x"'),
        (wrappers_pb2.Int64Value, b'"12"'),
        (timestamp_pb2.Timestamp, b'"2024-01-01T00:00:00Z"'),
    ],
)
def test_well_known_types_have_their_own_form(message_class: type[Message], text: bytes) -> None:
    assert to_json(from_json(text, message_class), message_class) == text


def test_an_answer_that_is_no_such_message_is_internal() -> None:
    for raw in (b"\x0a\xff", M(any={"number_value": float("nan")}).SerializeToString()):
        with pytest.raises(RpcError, match="The response payload cannot be serialized: ") as refused:
            to_json(raw, M)
        assert refused.value.code is Code.INTERNAL


def test_encoded_messages_pass_unchanged() -> None:
    raw = M(some_text="x").SerializeToString() + b"\xf8\x07\x01"
    assert check_encoded(raw, M) is raw
    with pytest.raises(RpcError):
        check_encoded(b"\x0a\xff", M)


def _integers_class() -> type[Message]:
    """64-bit integers in every place that JSON has."""
    file = FileDescriptorProto(
        name="i.proto", package="i", syntax="proto3", dependency=["google/protobuf/wrappers.proto"]
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    message = DescriptorProto(name="I")
    entry = message.nested_type.add(name="ByNameEntry")
    entry.options.map_entry = True
    entry.field.extend([_field("key", 1, F.TYPE_INT64), _field("value", 2, F.TYPE_SINT64)])
    repeated: dict[str, Any] = {"label": F.LABEL_REPEATED}
    message.field.extend(
        [
            _field("long_one", 1, F.TYPE_FIXED64),
            _field("many", 2, F.TYPE_UINT64, **repeated),
            _field("by_name", 3, F.TYPE_MESSAGE, type_name=".i.I.ByNameEntry", **repeated),
            _field("wrapped", 4, F.TYPE_MESSAGE, type_name=".google.protobuf.Int64Value"),
            _field("inner", 5, F.TYPE_MESSAGE, type_name=".i.I"),
            _field("digits", 6, F.TYPE_STRING),
        ]
    )
    file.message_type.append(message)
    pool.AddSerializedFile(file.SerializeToString())
    made: type[Message] = message_factory.GetMessageClass(pool.FindMessageTypeByName("i.I"))
    return made


@pytest.mark.parametrize(
    ("quoted", "number"),
    [
        ('{"longOne":"9007199254740993"}', '{"longOne":9007199254740993}'),
        ('{"many":["1","2"]}', '{"many":[1,2]}'),
        ('{"byName":{"1":"-2"}}', '{"byName":{"1":-2}}'),
        ('{"wrapped":"3"}', '{"wrapped":3}'),
        ('{"inner":{"inner":{"longOne":"4"}}}', '{"inner":{"inner":{"longOne":4}}}'),
        ('{"digits":"5"}', '{"digits":"5"}'),
    ],
)
def test_64_bit_integers_are_strings_or_numbers_as_configured(quoted: str, number: str) -> None:
    message_class = _integers_class()
    strings = JsonOptions(skip_default_fields=True)
    numbers = JsonOptions(skip_default_fields=True, stringify_64_bit_integers=False)
    for text in (quoted, number):
        encoded = from_json(text.encode(), message_class)
        assert to_json(encoded, message_class, strings).decode() == quoted
        assert to_json(encoded, message_class, numbers).decode() == number


def test_names_of_the_contract_keep_their_numbers_too() -> None:
    message_class = _integers_class()
    options = JsonOptions(
        skip_default_fields=True, use_proto_field_name=True, stringify_64_bit_integers=False
    )
    assert to_json(b"\x09" + bytes([1] + [0] * 7), message_class, options) == b'{"long_one":1}'


def test_one_field_twice_among_many_is_found_soon() -> None:
    # Looking for each field among all others took 18 s here, in which the server did nothing else.
    fields = ",".join(f'"{number}":0' for number in range(40_000))
    with pytest.raises(RpcError, match="duplicate field '39999'") as refused:
        from_json(f'{{{fields},"39999":0}}'.encode(), struct_pb2.Struct)
    assert refused.value.code is Code.INVALID_ARGUMENT


def test_an_error_does_not_send_the_message_back() -> None:
    with pytest.raises(RpcError, match="unrecognized field name 'xxx") as refused:
        from_json(b'{"' + b"x" * 100_000 + b'":1}', empty_pb2.Empty)
    assert len(refused.value.message) < 1_100


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"a":' + b"1" * 400 + b"}", struct_pb2.Struct),
        (b"1" * 400, wrappers_pb2.DoubleValue),
        (b"5", wrappers_pb2.StringValue),
        (b"5", wrappers_pb2.BytesValue),
        (b'{"@type":5}', any_pb2.Any),
        (b'{"jsonResult":1,"\\ud800":1}', services_pb2.ResolveAwakeableRequest),
        (b'{"options":"\\uD800"}', FileDescriptorProto),
    ],
    ids=["large number", "large double", "no string", "no bytes", "no type", "half a name", "half a pair"],
)
def test_values_that_protobuf_does_not_expect_are_the_callers_mistake(
    body: bytes, kind: type[Message]
) -> None:
    with pytest.raises(RpcError, match="Error when parsing request: ") as refused:
        from_json(body, kind)
    assert refused.value.code is Code.INVALID_ARGUMENT


def test_escaped_pairs_are_characters() -> None:
    raw = from_json(b'{"key":"\\ud83d\\ude00 \\u00e9"}', synth_pb2.RpcRequest)
    assert synth_pb2.RpcRequest.FromString(raw).key == "\U0001f600 \u00e9"
