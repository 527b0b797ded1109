"""The contracts that are made for modern services."""

import json
from typing import Any

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from restate.runtime.model.target import HandlerType, ServiceType
from restate.runtime.pb import ext_pb2
from restate.runtime.schema.deployment import Handler, InputRule, OutputRule
from restate.runtime.schema.symbols_builtin import builtin_files
from restate.runtime.schema.synthesis import synthesize, takes_json
from tests.schema.builders import service

SERVICE_TYPE: Any = ext_pb2.service_type
FIELD: Any = ext_pb2.field


def loaded(file: FileDescriptorProto) -> Any:
    """The file in a pool of its own, with what it depends on."""
    pool = descriptor_pool.DescriptorPool()
    for builtin in builtin_files():
        pool.AddSerializedFile(builtin.encoded)
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindFileByName(file.name)


def comments(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    return {tuple(at.path): at.leading_comments for at in file.source_code_info.location}


def test_every_handler_is_a_method() -> None:
    file = synthesize(service("shop.Cart", ServiceType.VIRTUAL_OBJECT, "add", "clear"))
    assert (file.name, file.package) == ("dev/restate/synth/shop.Cart.proto", "shop")
    cart = loaded(file).services_by_name["Cart"]
    assert cart.full_name == "shop.Cart"
    assert [method.name for method in cart.methods] == ["add", "clear"]
    for method in cart.methods:
        assert method.input_type.full_name == "dev.restate.synth.RpcRequest"
        assert method.output_type.full_name == "dev.restate.synth.RpcResponse"
        assert method.input_type.fields_by_name["key"].GetOptions().Extensions[FIELD] == ext_pb2.KEY


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (ServiceType.SERVICE, ext_pb2.UNKEYED),
        (ServiceType.VIRTUAL_OBJECT, ext_pb2.KEYED),
        (ServiceType.WORKFLOW, ext_pb2.KEYED),
    ],
)
def test_the_service_type_is_an_option(kind: ServiceType, expected: int) -> None:
    options = loaded(synthesize(service("S", kind))).services_by_name["S"].GetOptions()
    assert options.HasExtension(SERVICE_TYPE)
    assert options.Extensions[SERVICE_TYPE] == expected


def test_illegal_characters_become_underscores() -> None:
    file = synthesize(service("my-app.greeter-service"))
    assert file.name == "dev/restate/synth/my-app.greeter-service.proto"
    assert loaded(file).services_by_name["greeter_service"].full_name == "my_app.greeter_service"
    assert comments(file)[6, 0] == " Registered as my-app.greeter-service.\n"


def test_private_handlers_are_left_out() -> None:
    file = synthesize(service("S", ServiceType.SERVICE, Handler("a", HandlerType.PLAIN, public=False), "b"))
    assert [method.name for method in file.service[0].method] == ["b"]


def test_documentation_and_schemas_stand_in_comments() -> None:
    add = Handler(
        "add",
        HandlerType.EXCLUSIVE,
        input=InputRule("application/json", json_schema=b'{"type":"integer"}'),
        output=OutputRule(json_schema=b"not json"),
        documentation="Adds.\nAlways.",
    )
    file = synthesize(service("S", ServiceType.VIRTUAL_OBJECT, add, documentation="Counts."))
    found = comments(file)
    assert found[6, 0] == " Counts.\n"
    assert found[6, 0, 2, 0] == (
        " Adds.\n Always.\n One call at a time per key.\n"
        ' JSON schema of request: {"type": "integer"}\n JSON schema of response: not json\n'
    )


def test_long_schemas_have_many_lines_and_those_that_allow_everything_none() -> None:
    schema = json.dumps({"type": "object", "required": ["x" * 80]}).encode()
    add = Handler(
        "add",
        HandlerType.PLAIN,
        input=InputRule("application/json", json_schema=schema),
        output=OutputRule(json_schema=b"true"),
    )
    text = comments(synthesize(service("S", ServiceType.SERVICE, add)))[6, 0, 2, 0]
    assert text.startswith(' JSON schema of request: {\n   "type": "object",\n')
    assert "response" not in text


def test_a_comment_belongs_to_its_method_although_others_are_left_out() -> None:
    hidden = Handler("a", HandlerType.PLAIN, public=False, documentation="hidden")
    shown = Handler("b", HandlerType.PLAIN, documentation="shown")
    assert comments(synthesize(service("S", ServiceType.SERVICE, hidden, shown))) == {
        (6, 0, 2, 0): " shown\n"
    }


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("*/*", True),
        ("application/json", True),
        ("application/*", True),
        ("text/plain", False),
        (None, False),
    ],
)
def test_a_handler_takes_json_by_its_rule(rule: str | None, expected: bool) -> None:
    assert takes_json(InputRule(rule)) is expected
