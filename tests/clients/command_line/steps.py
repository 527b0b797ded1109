"""Every command of the official command line that talks to the admin port, on servers in which something goes on.

`OWN_SCRIPT` is what our own command line has of them, in the same words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.clients.command_line import acts
from tests.clients.command_line.scene import Act, Step

if TYPE_CHECKING:
    from tests.clients.command_line.scene import Scene

_UNKNOWN = "inv_1000000000000000000000000000000000"


def step(text: str, *more: str, tag: str = "", **fields: object) -> Step:
    """text: the words, separated by blanks; more: words with blanks in them. tag: tells equal commands apart."""
    words = (*_split(text), *more)
    name = " ".join(words) + (f" ({tag})" if tag else "")
    return Step(name, words, **fields)  # type: ignore[arg-type]


def _split(text: str) -> list[str]:
    """Words, of which those in angle brackets may have blanks."""
    found: list[str] = []
    for word in text.split():
        if found and found[-1].count("<") > found[-1].count(">"):
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found


def _wait(name: str, status: str) -> Act:
    return Act(lambda scene: scene.wait_for(name, status))


def _state(key: str, expected: str) -> Act:
    """Until the first value stored under a key of Cart is this; `none` for no value."""

    def wait(scene: Scene) -> None:
        sql = f"SELECT value_utf8 FROM state WHERE service_name = 'Cart' AND service_key = '{key}'"
        if expected == "none":
            scene.wait_for_rows(sql, 0)
        else:
            scene.wait_for_rows(f"{sql} AND value_utf8 = '{expected}'", 1)

    return Act(wait)


_EMPTY: list[Step | Act] = [
    step("whoami", keep=("[OK]", " Advertised", " Admin", " Ingress", "Admin", "Server", "Compatible")),
    step("services list"),
    step("services status"),
    step("services status Nope"),
    step("deployments list"),
    step("invocations list"),
    step("invocations list --all", tag="of nothing"),
    step(f"invocations describe {_UNKNOWN}"),
    step("state clear Cart", tag="of nothing"),
    step("kafka-clusters list"),
    step("subscriptions list"),
    step("rules list"),
    step("vqueues list"),
    step("vqueues describe vq_nope"),
]

_REGISTER: list[Step | Act] = [
    step("deployments register <v1>", tag="without an answer", order="lines"),
    step("-y deployments register <v1> --extra-header x-test=1 --metadata team=desk", order="lines"),
    step("-y deployments register <v1>", tag="known"),
    step("-y deployments register http://127.0.0.1:1"),
    step("services list", order="lines", tag="filled"),
    step("services list --extra", order="cells"),
    step("services list --public-only", order="lines"),
    *(step(f"services describe {name}", order="lines") for name in ("Greeter", "Steps", "Cart", "Signup")),
    step("services describe Nope"),
    Act(lambda scene: scene.name_deployments()),
    step("deployments list", order="cells", tag="filled"),
    step("deployments list --extra", order="cells", tag="idle"),
    step("deployments describe <dp v1>", order="lines"),
    step("deployments describe dp_11111111111111111111111"),
    step("deployments describe foo"),
    *(step(f"services config view {name}") for name in ("Greeter", "Steps", "Cart", "Signup")),
    step("services config view Nope"),
]

_LOOK: list[Step | Act] = [
    Act(acts.fill),
    *(
        # What is said of keys that are held for long depends on how long the steps take.
        step(f"services status {name} --locked-key-held-threshold-second 600", order="lines")
        for name in ("Greeter", "Steps", "Cart", "Signup")
    ),
    step("-y invocations pause <to pause>"),
    _wait("to pause", "paused"),
    step("invocations list", tag="of all statuses"),
    step("invocations list --all"),
    step("invocations list --all --oldest-first --limit 3"),
    step("invocations list --service Cart --service Greeter"),
    step("invocations list --handler add --all"),
    step("invocations list --key a --all"),
    step("invocations list --virtual-objects-only"),
    step("invocations list --zombie"),
    step("invocations list --deployment <dp v1> --limit 2"),
    step("invocations list --status scheduled,pending"),
    *(
        step(f"invocations list --status {status}")
        for status in ("ready", "running", "suspended", "backing-off", "completed", "paused", "nope")
    ),
    step("invocations list --completion-result success"),
    step("invocations list --completion-result failure"),
    *(
        step(f"invocations describe <{name}>")
        for name in (
            *(
                "scheduled",
                "completed",
                "failed",
                "running",
                "pending",
                "stateful",
                "backing off",
                "to pause",
            ),
            *("suspended", "waiting", "caller", "called", "sent", "workflow"),
        )
    ),
    step("invocations describe foo"),
    step("services status --locked-key-held-threshold-second 600", order="lines"),
    step(
        "services status Cart --locked-keys-limit 1 --sample-invocations-limit 1"
        " --locked-key-held-threshold-second 600",
        order="lines",
    ),
    step("deployments list --extra", order="cells", tag="busy"),
    step("deployments describe <dp v1> --extra", order="lines"),
    step("-y deployments remove <dp v1>", order="lines", tag="active"),
    step("--time-format iso8601 invocations list --status scheduled"),
    step("--table-style borders services list", order="cells"),
]

_SQL: list[Step | Act] = [
    step("sql", "SELECT target, status FROM sys_invocation ORDER BY created_at LIMIT 4"),
    step("sql --json", "SELECT target, status, retry_count FROM sys_invocation ORDER BY created_at LIMIT 2"),
    step("sql --jsonl", "SELECT target, status FROM sys_invocation ORDER BY created_at LIMIT 2"),
    step("sql", "SELECT 1 AS a, 2.5 AS b, true AS c, NULL AS d, 'x' AS e"),
    step("sql --json", "SELECT 1 AS a, 2.5 AS b, true AS c, NULL AS d, 'x' AS e"),
    step("sql", "SELECT target FROM sys_invocation WHERE 1 = 0"),
    step("sql --json", "SELECT target FROM sys_invocation WHERE 1 = 0"),
    step("sql", "SELECT status, COUNT(*) AS n FROM sys_invocation GROUP BY status ORDER BY status"),
    step("sql", "SELECT service_name, service_key, key, value_utf8 FROM state ORDER BY service_name, key"),
    step("sql", "SELECT name, ty, public FROM sys_service ORDER BY name"),
    step("sql", "SELECT nope FROM sys_invocation"),
    step("sql", "SELECT a FROM nope"),
    step("sql", "SELECT x FROM"),
    step("sql", "DROP TABLE state"),
]

_OPERATE: list[Step | Act] = [
    step("invocations cancel <suspended>", tag="without an answer"),
    step(f"-y invocations cancel {_UNKNOWN}"),
    step("-y invocations cancel foo"),
    step("-y invocations cancel <completed>"),
    step("-y invocations purge <running>"),
    step("-y invocations restart-as-new <running>"),
    step("-y invocations pause <scheduled>"),
    step("-y invocations resume <completed>"),
    step("-y invocations resume <backing off> --deployment latest"),
    step("-y invocations resume <to pause>"),
    _wait("to pause", "backing-off"),
    step("-y invocations pause Steps/fails", order="lines"),
    _wait("to pause", "paused"),
    _wait("backing off", "paused"),
    step("-y invocations resume Steps/fails --deployment nope", order="lines"),
    step("-y invocations resume Steps/fails --deployment keep", order="lines"),
    _wait("to pause", "backing-off"),
    _wait("backing off", "backing-off"),
    step("-y invocations cancel <suspended>"),
    _wait("suspended", "completed"),
    step("invocations describe <suspended>", tag="cancelled"),
    step("-y invocations cancel <caller>"),
    _wait("caller", "completed"),
    _wait("called", "completed"),
    step("invocations describe <caller>", tag="cancelled"),
    step("-y invocations cancel <scheduled>"),
    _wait("scheduled", "gone"),
    step("-y invocations kill Steps/waits"),
    _wait("waiting", "completed"),
    step("invocations describe <waiting>", tag="killed"),
    # By its id first: it would run as soon as the key is free.
    step("-y invocations cancel <pending>"),
    _wait("pending", "gone"),
    step("-y invocations cancel --kill Cart/held"),
    _wait("running", "completed"),
    step("-y invocations purge <failed>"),
    _wait("failed", "gone"),
    step("invocations describe <failed>", tag="purged"),
    step("-y invocations restart-as-new <stateful>"),
    _state("a", "10"),
    step("-y invocations restart-as-new Signup/wf/run"),
    step("-y invocations kill <workflow>"),
    _wait("workflow", "completed"),
    step("-y invocations restart-as-new <workflow>"),
    step("-y invocations purge Steps", order="lines"),
    step("-y invocations kill Steps --limit 1", order="lines", keep=("[OK]",)),
    step("invocations list --all --service Cart", order="lines", tag="operated"),
]

_STATE: list[Step | Act] = [
    step("state get Cart a"),
    step("state get Cart a --plain"),
    step("state get Cart a --binary"),
    step("state get Cart none"),
    step("state get Signup wf"),
    step("state get Greeter a"),
    step("state get Nope a"),
    step("-y state patch Cart a --patch", '[{"op":"replace","path":"/n","value":11}]'),
    _state("a", "11"),
    step("-y state patch Cart a --patch", '[{"op":"test","path":"/n","value":12}]'),
    step("-y state patch Cart a --patch", "no JSON"),
    step("-y state patch Cart a --patch", '[{"op":"remove","path":"/nope"}]'),
    step("state get Cart a", tag="patched"),
    step("-y state edit Cart a", edited='{"n": 20}'),
    _state("a", "20"),
    step("-y state edit Cart a", edited="no JSON", tag="to no JSON"),
    step("-y state edit Cart a", edited="{}", tag="to the same"),
    # The object has changed when the edit arrives, which is then dropped without a word.
    step("-y state edit Cart a", edited='{"n": 99}', meanwhile=("Cart/a/add", "1"), tag="too late"),
    Act(lambda scene: _settled(scene, "21")),
    step("state get Cart a --plain", tag="not overwritten"),
    step("-y state edit Cart a --force", edited='{"n": 99}', meanwhile=("Cart/a/add", "1"), tag="too late"),
    _state("a", "99"),
    step("-y state patch Cart b --patch", '[{"op":"add","path":"/n","value":{"deep":[1,"x"]}}]', tag="new"),
    _state("b", '{"deep":[1,"x"]}'),
    step("state get Cart b"),
    step("-y state clear Cart/b"),
    _state("b", "none"),
    step("state get Cart b", tag="cleared"),
    step("-y state clear Cart", order="lines"),
    _state("a", "none"),
    step("-y state clear Cart", tag="cleared"),
    step("-y state clear Signup/wf"),
]


def _settled(scene: Scene, expected: str) -> None:
    """A call of the object is applied after whatever was queued before it."""
    assert scene.caller.call("Cart/a/total").ok() == int(expected)


_KAFKA: list[Step | Act] = [
    step("-y kafka-clusters create kc bootstrap.servers=127.0.0.1:1 sasl.password=secret"),
    step("-y kafka-clusters create kc bootstrap.servers=127.0.0.1:1", tag="again"),
    step("-y kafka-clusters create bad client.id=x"),
    step("kafka-clusters list", tag="filled"),
    step("kafka-clusters describe kc"),
    step("kafka-clusters describe nope"),
    step("-y subscriptions create kafka://kc/topic service://Greeter/greet group.id=g"),
    step("-y subscriptions create kafka://nope/topic service://Greeter/greet"),
    step("-y subscriptions create kafka://kc/topic service://Greeter/nope"),
    Act(
        lambda scene: scene.names.update(
            subscription=scene.caller.admin("GET", "/subscriptions").ok()["subscriptions"][0]["id"]
        )
    ),
    step("subscriptions list", tag="filled"),
    step("subscriptions list --source kafka://kc/other"),
    step("subscriptions list --sink service://Greeter/greet"),
    step("subscriptions describe <subscription>"),
    step("subscriptions describe sub_nope"),
    step("kafka-clusters describe kc", tag="in use"),
    step("-y kafka-clusters delete kc", tag="in use"),
    step("-y kafka-clusters patch kc --set client.id=c"),
    step("-y kafka-clusters patch kc --set client.id=c --set sasl.password=new"),
    step("-y kafka-clusters edit kc", edited="bootstrap.servers=127.0.0.1:2\n"),
    step("kafka-clusters describe kc", tag="changed"),
    step("-y subscriptions delete <subscription>"),
    step("-y kafka-clusters delete kc"),
    step("kafka-clusters list", tag="emptied"),
]

_RULES: list[Step | Act] = [
    step("-y rules set a/* --concurrency 5 --description five"),
    step("-y rules set b --unlimited --disabled"),
    step("rules list", tag="filled"),
    step("rules list --extra"),
    step("-y rules set a/* --concurrency 7"),
    step("-y rules disable a/*"),
    step("rules list --extra", tag="disabled"),
    step("-y rules enable a/*"),
    step("-y rules enable nope"),
    step("-y rules set a//b --concurrency 1"),
    step("-y rules delete a/*"),
    step("-y rules delete b"),
    step("-y rules delete b", tag="again"),
    step("rules list", tag="emptied"),
]

_CONFIG: list[Step | Act] = [
    step(
        "-y services config patch Cart --public false --idempotency-retention", "3d", "--abort-timeout", "90s"
    ),
    step("-y services config patch Signup --workflow-completion-retention 2h"),
    step("-y services config patch Cart --workflow-completion-retention 2h"),
    step("-y services config patch Cart --abort-timeout nonsense"),
    step("-y services config patch Nope --public true"),
    step("-y services config patch Cart", tag="nothing"),
    step("services config view Cart", tag="patched"),
    step("-y services config edit Cart", edited='inactivity_timeout = "2m"\njournal_retention = "1h"\n'),
    step("-y services config edit Cart", edited="{}", tag="nothing"),
    step("-y services config edit Cart", edited="nonsense", tag="broken"),
    step("services config view Cart", tag="edited"),
    Act(lambda scene: scene.restart()),
    step("services config view Cart", tag="restarted"),
    step("services config view Signup", tag="restarted"),
    step("services list", order="lines", tag="restarted"),
]

_UPGRADE: list[Step | Act] = [
    Act(acts.upgrade),
    step("-y deployments register <v1> --force", order="lines"),
    step("-y deployments register <v2>", order="lines"),
    Act(lambda scene: scene.name_deployments()),
    step("deployments list --extra", order="cells", tag="upgraded"),
    step("deployments describe <dp v1>", order="lines", tag="upgraded"),
    step("services config view Cart", tag="registered again"),
    step("-y deployments remove <dp v1>", order="lines", tag="draining"),
    step("-y deployments remove <dp v1> --force", order="lines"),
    step("deployments list", order="cells", tag="removed"),
    step("-y deployments remove dp_11111111111111111111111"),
    step("invocations list --zombie", tag="removed"),
    step("invocations describe <pinned>"),
    step("-y invocations pause <failing>"),
    _wait("failing", "paused"),
    step("-y invocations resume <failing> --deployment latest"),
    _wait("failing", "completed"),
    step("invocations describe <failing>", tag="rescued"),
    step("-y invocations kill <pinned>"),
    step("invocations list --zombie", tag="none left"),
    step("-y deployments register <v2> --breaking"),
    step("-y deployments register <v2> --force --use-http1.1", order="lines"),
    step("deployments describe <dp v2>", order="lines", tag="over HTTP/1.1"),
    step("-y deployments register <v2>/elsewhere", order="lines"),
    step("-y deployments register localhost:1"),
    step("-y deployments register arn:aws:lambda:eu-central-1:123456789012:function:f"),
    step("-y deployments register <v2> --metadata nonsense"),
]

SCRIPT: list[Step | Act] = [
    *_EMPTY,
    *_REGISTER,
    *_LOOK,
    *_SQL,
    *_OPERATE,
    *_STATE,
    *_KAFKA,
    *_RULES,
    *_CONFIG,
    *_UPGRADE,
]
STEPS = [each for each in SCRIPT if isinstance(each, Step)]
assert len({each.name for each in STEPS}) == len(STEPS)

OWN_SCRIPT = [each for each in SCRIPT if isinstance(each, Act) or each.words[0] != "vqueues"]
"""The script for our own command line."""
