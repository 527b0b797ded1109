from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from restate.runtime.model.target import ServiceType
from restate.runtime.schema.file_sets import file_set
from tests.schema.builders import deployment, service


def test_the_files_of_a_modern_deployment_load_in_their_order() -> None:
    encoded = file_set(
        deployment("dp_1", service("a.Greeter"), service("Counter", ServiceType.VIRTUAL_OBJECT, "add"))
    )
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(encoded).file:
        pool.Add(file)
    assert pool.FindServiceByName("a.Greeter").methods[0].name == "call"
    method = pool.FindServiceByName("Counter").FindMethodByName("add")
    assert method.input_type.full_name == "dev.restate.synth.RpcRequest"


def test_names_that_become_the_same_are_there_once() -> None:
    encoded = file_set(deployment("dp_1", service("a-b"), service("a_b")))
    names = [file.name for file in FileDescriptorSet.FromString(encoded).file]
    assert [name for name in names if "synth/" in name] == ["dev/restate/synth/a-b.proto"]


def test_a_deployment_without_services_has_the_shared_files() -> None:
    names = [file.name for file in FileDescriptorSet.FromString(file_set(deployment("dp_1"))).file]
    assert names[-1] == "dev/restate/synth.proto"
