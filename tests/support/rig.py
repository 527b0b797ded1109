"""The server without its ports: partition, engine, timers and invoker over the memory store, and a scripted service.

    rig = Rig(nursery, handler)
    await rig.start()
    reply = await rig.call("Greeter", "greet", b"joe")

`handler` plays the SDK: an async function that gets a `Conversation` for every attempt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import trio

from restate.runtime.config import Config, Invoker, RetrySettings
from restate.runtime.engine.actions import IngressReply
from restate.runtime.invoker.preconditions import Preconditions
from restate.runtime.invoker.retry import Retries
from restate.runtime.invoker.route import Routes
from restate.runtime.invoker.supervisor import Supervisor
from restate.runtime.invoker.task import AttemptTask
from restate.runtime.model.ids import DeploymentId
from restate.runtime.model.journal import Callee
from restate.runtime.model.target import Generation, HandlerType, ServiceType
from restate.runtime.net.client import ClientError, Exchange, ResponseHead
from restate.runtime.partition.actions import Performer
from restate.runtime.partition.handle import Partition
from restate.runtime.partition.processor import Processor
from restate.runtime.partition.timers import Timers
from restate.runtime.pb import ext_pb2
from restate.runtime.schema.addressing import address
from restate.runtime.schema.contract import classic_services
from restate.runtime.schema.deployment import Deployment, Handler, ProtocolType, Service
from restate.runtime.schema.descriptors import repair
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import deployment_row
from restate.runtime.service_protocol.identity import Identity
from restate.runtime.storage.commit import Committer
from restate.runtime.storage.memory import MemoryStore
from restate.runtime.tables.api import Tables
from restate.runtime.telemetry.metrics import Metrics
from restate.runtime.wiring import option_defaults
from tests.schema.classic import contract, file, file_set
from tests.support.clock import CountingIds, TrioClock
from tests.support.sdk_peer import Heard, SdkPeer

DEPLOYMENT = DeploymentId("dp_10000000000000000000001")
CLASSIC_DEPLOYMENT = DeploymentId("dp_20000000000000000000002")
CLASSIC_URI = "http://classic.test:9080/"


class Conversation:
    """One attempt, seen from the service. Everything the server sends arrives in `hear`."""

    def __init__(self, path: bytes, headers: list[tuple[bytes, bytes]], generation: Generation) -> None:
        self.path = path
        self.headers = headers
        self.peer = SdkPeer(generation)
        self.request_ended = False
        self.aborted = False
        self.head: ResponseHead | None = None
        self.body: list[bytes] = []
        self.body_ended = False
        self.error: ClientError | None = None
        self._changed = trio.Event()

    def changed(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def wait(self) -> None:
        await self._changed.wait()

    def answer(self, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
        """Open the response; without headers, with the content type that was asked for."""
        self.head = ResponseHead(status, list(headers) or self.headers[:1], "2")
        self.changed()

    async def hear(self) -> Heard:
        """The next message from the server."""
        while not self.peer.heard:
            await self.wait()
        return self.peer.heard.popleft()

    async def replay(self) -> list[Heard]:
        """Start and the whole replay, after which the SDK may speak."""
        start = await self.hear()
        return [start, *[await self.hear() for _ in range(start.message.known_entries)]]

    def say(self, name: str, flags: int = 0, **fields: Any) -> None:
        self.send(self.peer.say(name, fields, flags))

    def send(self, data: bytes) -> None:
        if self.head is None:
            self.answer()
        self.body.append(data)
        self.changed()

    def close(self) -> None:
        """End the response."""
        if self.head is None:
            self.answer()
        self.body_ended = True
        self.changed()

    def break_off(self, error: ClientError) -> None:
        self.error = error
        self.changed()

    async def ended(self) -> None:
        """Wait until the server has ended its request."""
        while not self.request_ended:
            await self.wait()

    def output(self, value: bytes) -> None:
        """What a handler that is done says."""
        self.say("Output", value={"content": value})
        self.say("End")
        self.close()


class _Exchange(Exchange):
    """The server's side of a conversation."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    async def send(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self._conversation.peer.hear(data)
        self._conversation.changed()

    async def end(self) -> None:
        await trio.lowlevel.checkpoint()
        self._conversation.request_ended = True
        self._conversation.changed()

    async def response(self) -> ResponseHead:
        while self._conversation.head is None:
            if self._conversation.error is not None:
                raise self._conversation.error
            await self._conversation.wait()
        return self._conversation.head

    async def receive(self) -> bytes:
        while (data := self.receive_nowait()) is None:
            await self._conversation.wait()
        return data

    def receive_nowait(self) -> bytes | None:
        conversation = self._conversation
        if conversation.body:
            data, conversation.body = b"".join(conversation.body), []
            return data
        if conversation.error is not None:
            raise conversation.error
        return b"" if conversation.body_ended else None

    def abort(self) -> None:
        if not self._conversation.body_ended:
            self._conversation.aborted = True
        self._conversation.changed()


Script = Callable[[Conversation], Awaitable[None]]


class ScriptedClient:
    """Takes the place of `net.client.Client`. unreachable: errors to raise instead of opening, one per attempt."""

    def __init__(self, nursery: trio.Nursery, script: Script) -> None:
        self._nursery = nursery
        self._script = script
        self.unreachable: list[ClientError] = []
        self.conversations: list[Conversation] = []

    async def open(
        self,
        uri: str,
        method: str,
        path: bytes,
        headers: list[tuple[bytes, bytes]],
        *,
        body: bytes | None = None,
        end: bool = False,
        http_version: str = "2",
    ) -> Exchange:
        await trio.lowlevel.checkpoint()
        if self.unreachable:
            raise self.unreachable.pop(0)
        generation = Generation.CLASSIC if uri == CLASSIC_URI else Generation.MODERN
        conversation = Conversation(path, headers, generation)
        conversation.peer.hear(body or b"")
        conversation.request_ended = end
        self.conversations.append(conversation)
        self._nursery.start_soon(self._script, conversation)
        return _Exchange(conversation)


class Rig:
    """See the module. nursery: gets all tasks; cancel it to end them."""

    def __init__(
        self,
        nursery: trio.Nursery,
        script: Script,
        *,
        store: MemoryStore | None = None,
        invoker: Invoker | None = None,
        retry_policy: RetrySettings | None = None,
        protocol_type: ProtocolType = "BidiStream",
        version: int = 6,
    ) -> None:
        """version: of the protocol with modern services."""
        self.nursery = nursery
        self.store = store or MemoryStore()
        self.config = Config(
            invoker=invoker or Invoker(), retry_policy=retry_policy or RetrySettings(initial_interval_ms=100)
        )
        self.clock = TrioClock()
        self.metrics = Metrics()
        self.client = ScriptedClient(nursery, script)
        self.partition = Partition(queue_limit=1000)
        self.reader = Tables(self.store)
        # As with real ones, no id of an earlier process comes again.
        self.ids = CountingIds(1 + 1000 * self.reader.counters.get("boot"))
        self.supervisor: Supervisor
        self._protocol_type = protocol_type
        self._version = version
        self._defaults = option_defaults(self.config)

    async def start(self) -> None:
        """Run everything, with three services: `Greeter`, the virtual object `Counter`, the workflow `Signup`."""
        partition, reader = self.partition, self.reader
        routes = Routes(lambda: partition.schema, self._defaults)
        task = AttemptTask(
            client=self.client,  # type: ignore[arg-type]
            routes=routes,
            preconditions=Preconditions(lambda: partition.schema, self.ids, self._defaults),
            effects=partition,
            reader=reader,
            clock=self.clock,
            config=self.config.invoker,
            identity=Identity("test", self.clock),
            metrics=self.metrics.invoker,
        )
        self.supervisor = Supervisor(
            self.nursery,
            task,
            Retries(routes, partition, self.clock, self.metrics.invoker),
            partition,
            reader,
            concurrency_limit=self.config.invoker.concurrency_limit,
            metrics=self.metrics.invoker,
        )
        schema = Registry.load(reader.counters.get("schema_version"), reader.schema.scan())
        partition.begin(schema, reader.counters.get("boot"))
        timers = Timers(partition, reader, self.clock, in_memory=8)
        performer = Performer(partition, self.supervisor, timers)
        committer = Committer(self.store, performer, self.metrics.storage)
        processor = Processor(
            partition,
            Tables(self.store),
            committer,
            self.clock,
            batch_records=32,
            batch_bytes=1 << 20,
            metrics=self.metrics,
        )
        await self.nursery.start(committer.run)
        await self.nursery.start(processor.run)
        self.nursery.start_soon(timers.run)
        partition.ready.set()
        if not partition.schema.deployments:
            await self.register(DEPLOYMENT)

    async def register(self, deployment_id: DeploymentId, *, revision: int = 1) -> None:
        """One more deployment of the three services."""
        greeter = Service(
            "Greeter",
            ServiceType.SERVICE,
            tuple(Handler(name, HandlerType.PLAIN) for name in ("greet", "other")),
            deployment_id,
            revision,
        )
        counter = Service(
            "Counter",
            ServiceType.VIRTUAL_OBJECT,
            (Handler("add", HandlerType.EXCLUSIVE), Handler("get", HandlerType.SHARED)),
            deployment_id,
            revision,
        )
        signup = Service(
            "Signup",
            ServiceType.WORKFLOW,
            (Handler("run", HandlerType.WORKFLOW), Handler("approve", HandlerType.SHARED)),
            deployment_id,
            revision,
        )
        deployment = Deployment(
            id=deployment_id,
            generation=Generation.MODERN,
            uri="http://service.test:9080/",
            additional_headers=(("x-own", "1"),),
            protocol_type=self._protocol_type,
            http_version="HTTP/2.0",
            min_protocol_version=self._version,
            max_protocol_version=self._version,
            created_ms=self.clock.now_ms(),
            services=(greeter, counter, signup),
        )
        await self._store(deployment)

    async def register_classic(self) -> None:
        """A classic deployment: the unkeyed service `Plain` and the keyed `Keyed`, each with the method `m`."""
        user = file(
            contract("Plain", ext_pb2.UNKEYED, ("m", "Req")), contract("Keyed", ext_pb2.KEYED, ("m", "Req"))
        )
        descriptors = repair(file_set(user))
        services = classic_services(descriptors, ["Plain", "Keyed"])
        deployment = Deployment(
            id=CLASSIC_DEPLOYMENT,
            generation=Generation.CLASSIC,
            uri=CLASSIC_URI,
            protocol_type=self._protocol_type,
            http_version="HTTP/2.0",
            min_protocol_version=1,
            max_protocol_version=1,
            created_ms=self.clock.now_ms(),
            services=tuple(
                msgspec.structs.replace(service, deployment_id=CLASSIC_DEPLOYMENT, revision=1)
                for service in services
            ),
            descriptors=descriptors.files.SerializeToString(),
        )
        await self._store(deployment)

    async def _store(self, deployment: Deployment) -> None:
        assert await self.partition.change_schema(
            self.partition.schema.version, (deployment_row(deployment),)
        )

    def callee(
        self, service: str, handler: str, key: str | None = None, idempotency_key: str | None = None
    ) -> Callee:
        return address(
            self.partition.schema,
            service,
            handler,
            key,
            idempotency_key=idempotency_key,
            ids=self.ids,
            defaults=self._defaults,
        )

    async def call(self, service: str, handler: str, body: bytes, key: str | None = None) -> IngressReply:
        return await self.partition.call(self.callee(service, handler, key), body, ())
