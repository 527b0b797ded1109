"""The descriptors of a whole deployment, as one message that any protobuf library can load."""

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from restate.runtime.model.target import Generation
from restate.runtime.pb import synth_pb2
from restate.runtime.schema.deployment import Deployment
from restate.runtime.schema.legal_names import legal_name
from restate.runtime.schema.symbols_builtin import own_files
from restate.runtime.schema.synthesis import synthesized_file


def file_set(deployment: Deployment) -> bytes:
    """An encoded FileDescriptorSet in dependency order: what a classic deployment told, repaired; else made for it.

    Of two modern services that have the same name in descriptors, the first one is in it.
    """
    if deployment.generation is Generation.CLASSIC:
        return deployment.descriptors
    by_name = {legal_name(service.name): service for service in reversed(deployment.services)}
    made = FileDescriptorSet()
    for file in own_files([synth_pb2.DESCRIPTOR]):
        made.file.add().ParseFromString(file.encoded)
    for service in deployment.services:
        if by_name[legal_name(service.name)] is service:
            made.file.add().ParseFromString(synthesized_file(service).encoded)
    return made.SerializeToString(deterministic=True)
