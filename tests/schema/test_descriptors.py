import pytest
from google.protobuf import struct_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from restate.runtime.model.target import ServiceType
from restate.runtime.pb import ext_pb2
from restate.runtime.schema.contract import classic_services
from restate.runtime.schema.descriptors import EXTENSION_FILE, DescriptorError, repair
from restate.runtime.schema.messages import MessagePool
from tests.schema.classic import INT32, contract, field, file, file_set, message, unresolved

UNKEYED, KEYED = ext_pb2.UNKEYED, ext_pb2.KEYED


def pool_of(sent: FileDescriptorSet) -> MessagePool:
    return MessagePool(repair(sent).files.SerializeToString())


def test_files_come_in_dependency_order_with_the_standard_ones_added() -> None:
    repaired = repair(file_set(file(contract("S", UNKEYED, ("m", "Req")))))
    assert [entry.name for entry in repaired.files.file] == [
        "google/protobuf/descriptor.proto",
        EXTENSION_FILE,
        "user.proto",
    ]


def test_broken_copies_of_standard_files_are_replaced() -> None:
    broken = FileDescriptorProto.FromString(struct_pb2.DESCRIPTOR.serialized_pb)
    for entry in broken.message_type:
        for member in entry.field:
            member.ClearField("oneof_index")
    user = file(contract("S", UNKEYED, ("m", "Req")))
    user.dependency.append("google/protobuf/struct.proto")
    repaired = repair(file_set(user, broken))
    found = next(entry for entry in repaired.files.file if entry.name == broken.name)
    assert found.SerializeToString() == struct_pb2.DESCRIPTOR.serialized_pb


def test_unresolved_options_count_like_real_ones() -> None:
    user = file()
    del user.message_type[:]
    key = field("key", 1)
    unresolved(key.options, "dev.restate.ext.field", "KEY")
    unresolved(key.options, "some.other.option", "X")
    user.message_type.extend([message("Req", key), message("Res")])
    service = contract("S", None, ("m", "Req"))
    unresolved(service.options, "dev.restate.ext.service_type", "KEYED")
    user.service.append(service)
    repaired = repair(file_set(user))
    (found,) = classic_services(repaired, ["S"])
    assert found.type is ServiceType.KEYED
    assert found.handlers[0].classic is not None
    assert found.handlers[0].classic.key_field == 1


def test_value_zero_of_an_option_is_not_the_same_as_none() -> None:
    repaired = repair(file_set(file(contract("S", UNKEYED, ("m", "Req")))))
    assert classic_services(repaired, ["S"])[0].type is ServiceType.UNKEYED


def test_an_unknown_value_of_an_option_is_refused() -> None:
    service = contract("S", None)
    unresolved(service.options, "dev.restate.ext.service_type", "NONSENSE")
    with pytest.raises(DescriptorError, match="NONSENSE"):
        repair(file_set(file(service)))


def test_what_is_left_out_because_it_is_the_first_value_is_written() -> None:
    sent = message("M", field("fraction", 1))
    sent.field[0].ClearField("type")
    sent.field[0].ClearField("label")
    sent.enum_type.add(name="Inner").value.add(name="INNER")
    user = file(messages=(sent,))
    user.enum_type.add(name="Outer").value.add(name="OUTER")
    repaired = next(each for each in repair(file_set(user)).files.file if each.name == user.name)
    (found,) = (each for each in repaired.message_type if each.name == "M")
    assert found.field[0].HasField("label")
    assert found.field[0].HasField("type")
    assert found.field[0].type == FieldDescriptorProto.TYPE_DOUBLE
    for enum in (found.enum_type[0], repaired.enum_type[0]):
        assert enum.value[0].HasField("number")


def test_a_oneof_without_members_is_dropped_and_the_others_move_up() -> None:
    broken = message("M", field("a", 1), field("b", 2), field("c", 3))
    broken.oneof_decl.add(name="first")
    broken.oneof_decl.add(name="second")
    broken.field[2].oneof_index = 1
    classes = pool_of(file_set(file(messages=(broken,))))
    found = classes.pool.FindMessageTypeByName("M")
    assert [(entry.name, [member.name for member in entry.fields]) for entry in found.oneofs] == [
        ("second", ["c"])
    ]


def test_an_optional_field_gets_its_synthetic_oneof_back() -> None:
    broken = message("M", field("a", 1, INT32), field("b", 2, INT32))
    broken.oneof_decl.add(name="_a")
    broken.oneof_decl.add(name="_b")
    broken.field[0].proto3_optional = True
    broken.field[1].proto3_optional = True
    broken.field[1].oneof_index = 1
    outer = message("Outer")
    outer.nested_type.append(broken)
    found = pool_of(file_set(file(messages=(outer,)))).pool.FindMessageTypeByName("Outer.M")
    assert [entry.has_presence for entry in found.fields] == [True, True]


@pytest.mark.parametrize(
    ("name", "alias"),
    [("my.counter", "my.counter"), ("greeter-service", "greeter_service"), ("9.lives", "_9.lives")],
)
def test_a_service_whose_name_is_no_identifier_moves_to_a_file_of_its_own(name: str, alias: str) -> None:
    sent = file_set(file(contract("plain", UNKEYED, ("m", "Req")), contract(name, KEYED, ("do-it", "Req"))))
    repaired = repair(sent)
    (found,) = classic_services(repaired, [name])
    assert (found.name, found.handlers[0].name) == (name, "do-it")
    pool = MessagePool(repaired.files.SerializeToString()).pool
    assert pool.FindServiceByName("plain").methods[0].name == "m"
    assert pool.FindServiceByName(alias).methods[0].name == "do_it"


def test_two_services_with_the_same_legal_name_do_not_disturb_each_other() -> None:
    sent = file_set(
        file(
            contract("a_b", UNKEYED, ("m", "Req")),
            contract("a-b", UNKEYED, ("m", "Req")),
            contract("Req.x", KEYED),
        )
    )
    repaired = repair(sent)
    assert len(classic_services(repaired, ["a_b", "a-b"])) == 2


def test_comments_are_not_kept() -> None:
    user = file()
    user.source_code_info.location.add(path=[4, 0], span=[1, 2, 3], leading_comments="long text")
    assert b"long text" not in repair(file_set(user)).files.SerializeToString()


def test_what_was_sent_is_left_as_it_is() -> None:
    sent = file_set(file(contract("my.counter", KEYED, ("m", "Req"))))
    before = sent.SerializeToString(deterministic=True)
    repair(sent)
    assert sent.SerializeToString(deterministic=True) == before


def test_without_the_extension_file_the_contract_says_nothing() -> None:
    with pytest.raises(DescriptorError, match="bad or missing Restate dependency") as caught:
        repair(file_set(file(), extension=False))
    assert (caught.value.code, caught.value.http_status) == (None, 400)


def test_a_missing_import_is_named() -> None:
    user = file()
    user.dependency.append("lost.proto")
    with pytest.raises(DescriptorError, match=r"lost\.proto, imported by user\.proto"):
        repair(file_set(user))


def test_a_circle_of_imports_is_refused() -> None:
    one, two = file(name="one.proto"), FileDescriptorProto(name="two.proto", dependency=["one.proto"])
    one.dependency.append("two.proto")
    with pytest.raises(DescriptorError, match="imports itself"):
        repair(file_set(one, two))


def test_what_cannot_be_repaired_is_refused() -> None:
    broken = message("M", field("a", 1), field("a", 1))
    with pytest.raises(DescriptorError, match="cannot be loaded"):
        repair(file_set(file(messages=(broken,))))


def test_a_member_of_an_undeclared_oneof_is_refused() -> None:
    broken = message("M", field("a", 1))
    broken.field[0].oneof_index = 3
    with pytest.raises(DescriptorError, match="not declared"):
        repair(file_set(file(messages=(broken,))))


def test_text_that_is_no_utf_8_is_refused_unless_it_is_a_comment() -> None:
    sent = file_set(file(contract("Serv", UNKEYED, ("meth", "Req"))))
    sent.file[-1].source_code_info.location.add(leading_comments="a comment")
    serialized = sent.SerializeToString()
    assert repair(FileDescriptorSet.FromString(serialized.replace(b"a comment", b"\xff comment")))
    for text in (b"Serv", b"meth", b"user.proto"):
        broken = FileDescriptorSet.FromString(serialized.replace(text, b"\xff" + text[1:]))
        with pytest.raises(DescriptorError, match="expected UTF-8 among the descriptors"):
            repair(broken)


@pytest.mark.parametrize(("service", "method"), [("", "m"), ("S", ""), ("", "")])
def test_services_and_methods_have_names(service: str, method: str) -> None:
    with pytest.raises(DescriptorError, match="has no name in the file"):
        repair(file_set(file(contract(service, UNKEYED, (method, "Req")))))
