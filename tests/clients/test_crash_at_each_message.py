"""A crash at each message between server and SDK: the result is right, and what was acknowledged never runs again.

One invocation with every kind of step is started again and again; at its first message, then at its second, and so on
to the last, the server is killed or the connection is cut. The message itself is lost.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import attrs
import httpx
import pytest

from tests.clients.conftest import make_server, start_program
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk
from tests.support.server import Settings
from tests.support.wire_proxy import WireProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.caller import Reply
    from tests.support.programs import ServiceProgram
    from tests.support.server import Server
    from tests.support.wire_proxy import Exchange

# The sleep is longer than the inactivity timeout: suspensions and replays are among the messages.
_SETTINGS = Settings(inactivity_timeout="200ms", retry_initial_interval="20ms", retry_max_interval="100ms")
_SLEEP_MS = 400
_SWEEPS = 4
"""A machine that halts for the inactivity timeout has more messages than the next time, and crashes skip some then."""

_DEFAULT_MODERN = ((Sdk.TYPESCRIPT, "kill"), (Sdk.PYTHON, "cut"))

_STEPS = ["first", "announce", "last"]


@attrs.frozen
class Scene:
    """A server that reaches its service through the proxy."""

    server: Server
    program: ServiceProgram
    caller: Caller
    proxy: WireProxy
    sdk: Sdk

    @property
    def classic(self) -> bool:
        return self.sdk is Sdk.CLASSIC

    @property
    def path(self) -> str:
        return "steps/witnessed" if self.classic else "Steps/witnessed"

    def start(self, name: str) -> Reply:
        """Start it, or find it again by its idempotency key, and wait for its result."""
        request = {"name": name, "ms": _SLEEP_MS}
        body = {"request": request} if self.classic else request
        return self.caller.call(self.path, body, idempotency_key=name)

    def result(self, name: str) -> Any:
        value = persistently(lambda: self.start(name)).ok()
        return value["response"] if self.classic else value

    def resolve(self, name: str) -> None:
        """Complete the awakeable of the invocation as soon as it is announced."""
        awakeable_id = eventually(lambda: self.program.read(f"{name}.awakeable"), what="the awakeable's id")
        if self.classic:
            body = {"id": awakeable_id, "json_result": "yes"}
            persistently(lambda: self.caller.call("dev.restate.Awakeables/Resolve", body)).ok()
        else:
            persistently(lambda: self.caller.resolve(awakeable_id, "yes")).ok()

    def counted(self, name: str) -> int:
        if self.classic:
            return int(self.caller.call("counter/get", {"key": name}).ok()["response"])
        return int(self.caller.call(f"Counter/{name}/get").ok())

    def acknowledged(self, exchanges: list[Exchange]) -> int:
        """How many side effects the server has acknowledged, or replayed as done."""
        done = ("0004", "FC01") if self.classic else ("8011",)
        return max(sum(one.types(">").count(message) for message in done) for one in exchanges)


def persistently(ask: Any) -> Reply:
    """Ask again for as long as the server is away."""
    deadline = time.monotonic() + 60
    while True:
        try:
            reply: Reply = ask()
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the server did not come back"
            time.sleep(0.01)
        else:
            return reply


@pytest.fixture(scope="module")
def scene(
    request: pytest.FixtureRequest, server_kind: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    sdk: Sdk = request.param
    if server_kind == "official" and sdk is Sdk.CLASSIC:
        pytest.skip("the official server has no classic generation")
    folder = tmp_path_factory.mktemp(f"crash-{server_kind}-{sdk.value}")
    program = start_program(sdk, folder / "bed")
    try:
        server = make_server(server_kind, folder, _SETTINGS)
        try:
            with WireProxy(program.port) as proxy, Caller(server) as caller:
                caller.register(proxy.uri)
                yield Scene(server, program, caller, proxy, sdk)
        finally:
            server.stop()
    finally:
        program.stop()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The modern SDKs share the two ways to crash between them, unless --every-crash is given."""
    if "crash" not in metafunc.fixturenames:
        return
    every = metafunc.config.getoption("--every-crash", default=False)
    cases = [
        (sdk, crash)
        for sdk in (Sdk.CLASSIC, Sdk.TYPESCRIPT, Sdk.PYTHON)
        for crash in ("cut", "kill")
        if every or sdk is Sdk.CLASSIC or (sdk, crash) in _DEFAULT_MODERN
    ]
    ids = [f"{sdk.value}-{crash}" for sdk, crash in cases]
    metafunc.parametrize(("scene", "crash"), cases, indirect=["scene"], ids=ids)


@pytest.mark.slow
def test_a_crash_at_each_message(scene: Scene, crash: str) -> None:
    repeated: set[str] = set()
    for sweep in range(_SWEEPS):
        crashes, count = 0, 1
        while seen := crash_at(
            scene, f"{crash}{sweep}-{count}", count, kill=crash == "kill", repeated=repeated
        ):
            crashes += 1
            # What crossed in one piece was lost in one piece: there is no other crash in between.
            count = seen + 1
        print(f"{crashes} crashes")
        assert crashes >= 10, "the crashes did not reach every step"
        if repeated == set(_STEPS):
            break
    assert repeated == set(_STEPS), "no crash came between a side effect and its acknowledgement"


def crash_at(scene: Scene, name: str, count: int, *, kill: bool, repeated: set[str]) -> int:
    """Play the invocation with a crash at message `count`; how many had been seen then, 0 if it ended before."""
    sprung = threading.Event()
    seen: list[Exchange] = []
    first = len(scene.proxy.exchanges(scene.path))

    def spring() -> None:
        if kill:
            scene.server.kill()
        seen.extend(scene.proxy.exchanges(scene.path)[first:])
        lost.extend(len(one.messages()) for one in seen)
        acknowledged.append(scene.acknowledged(seen))
        scene.proxy.cut()
        sprung.set()

    lost: list[int] = []
    acknowledged: list[int] = []
    scene.proxy.set_trap(scene.path, count, spring)
    with ThreadPoolExecutor(2) as pool:
        resolving = pool.submit(scene.resolve, name)
        calling = pool.submit(scene.result, name)
        eventually(lambda: sprung.is_set() or calling.done(), what=f"message {count} or the end")
        if sprung.is_set() and kill:
            scene.server.start()
        assert calling.result() == {"total": 1, "answer": "yes", "last": 100}
        resolving.result()
    eventually(lambda: scene.counted(name) == 11, what="both calls to arrive")
    executed = scene.program.lines(f"{name}.effects")
    for number, step in enumerate(_STEPS):
        times = executed.count(step)
        if not sprung.is_set() or number < acknowledged[0]:
            assert times == 1, f"{step} ran {times} times, acknowledged before the crash at message {count}"
        assert 1 <= times <= 2
        if times == 2:
            repeated.add(step)
    return sum(lost)
