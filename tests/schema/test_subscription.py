import pytest

from restate.runtime.errors import RestateError
from restate.runtime.model.kafka import KafkaCluster
from restate.runtime.model.target import ServiceType
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.subscription import Subscription, UriSyntaxError, parse_uri
from restate.runtime.schema.subscription_rules import SubscriptionError, subscribe
from tests.schema.builders import deployment, registry, service

GREETER = "service://Greeter/greet"
BROKERS = ("bootstrap.servers", "127.0.0.1:9092")


def known() -> Registry:
    return registry(
        deployment("dp_1", service("Greeter", ServiceType.SERVICE, "greet")),
        deployment("dp_2", service("old.Greeter", ServiceType.UNKEYED, "Greet"), uri="http://127.0.0.1:1/"),
    )


def subscribed(
    source: str = "kafka://c1/t",
    sink: str = GREETER,
    *properties: tuple[str, str],
    options: dict[str, str] | None = None,
    classic_status: bool = True,
) -> Subscription:
    clusters = {name: KafkaCluster(name, (BROKERS, *properties)) for name in ("c2", "c1")}
    return subscribe(
        known(),
        clusters,
        parse_uri(source),
        parse_uri(sink),
        options or {},
        new_id="sub_1",
        classic_status=classic_status,
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("kafka://c1/t", "kafka://c1/t"),
        ("kafka://c1", "kafka://c1/"),
        ("kafka://c1/a/b?x=1#y", "kafka://c1/a/b"),
        ("kafka://u:p@c1:80/t", "kafka://u:p@c1:80/t"),
        ("/topic", "/topic"),
        ("c1", "c1"),
    ],
)
def test_a_uri_has_one_form(text: str, shown: str) -> None:
    assert str(parse_uri(text)) == shown


@pytest.mark.parametrize("text", ["", "not a uri", "kafka:///t", "kafka://c1/\u00e9", 'kafka://"', "a\nb"])
def test_other_texts_are_no_uris(text: str) -> None:
    with pytest.raises(UriSyntaxError):
        parse_uri(text)


@pytest.mark.parametrize("sink", [GREETER, "service://old.Greeter/Greet"])
def test_a_topic_goes_to_a_handler_of_either_generation(sink: str) -> None:
    made = subscribed(sink=sink)
    assert (made.source, made.sink, made.cluster) == ("kafka://c1/t", sink, "c1")


@pytest.mark.parametrize("source", ["http://c1/t", "/t", "c1", "KAFKA://c1/t"])
def test_sources_are_topics_of_kafka(source: str) -> None:
    with pytest.raises(SubscriptionError, match="supported schemes") as caught:
        subscribed(source)
    assert (caught.value.code, caught.value.http_status) == ("META0009", 400)


@pytest.mark.parametrize(
    "sink",
    [
        "http://Greeter/greet",
        "/Greeter/greet",
        "service://Greeter",
        "service://Greeter/",
        "service://Greeter/nope",
        "service://Greeter/greet/x",
        "service://greeter/greet",
        "service://Nope/greet",
    ],
)
def test_sinks_are_handlers_that_exist(sink: str) -> None:
    with pytest.raises(SubscriptionError) as caught:
        subscribed(sink=sink)
    assert (caught.value.code, caught.value.http_status) == ("META0009", 400)


@pytest.mark.parametrize(("classic_status", "status"), [(True, 500), (False, 400)])
@pytest.mark.parametrize(
    ("source", "sink"),
    [("kafka://c1/t", "service://old.Greeter/Nope"), ("x://c1/t", "service://old.Greeter/Greet")],
)
def test_what_is_wrong_with_a_classic_sink_has_the_status_of_its_routes(
    source: str, sink: str, classic_status: bool, status: int
) -> None:
    with pytest.raises(SubscriptionError) as caught:
        subscribed(source, sink, classic_status=classic_status)
    assert caught.value.http_status == status


def test_an_unknown_cluster_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        RestateError, match=r"'c3' not found. Available clusters: \[\"c1\", \"c2\"\]"
    ) as caught:
        subscribed("kafka://c3/t")
    assert (caught.value.code, caught.value.http_status) == (None, 400)


def test_group_and_client_are_filled_in() -> None:
    assert dict(subscribed().options) == {"group.id": "sub_1", "client.id": "restate"}


def test_what_the_cluster_sets_is_taken_from_there() -> None:
    made = subscribed("kafka://c1/t", GREETER, ("group.id", "g"), ("client.id", "c"))
    assert dict(made.options) == {"group.id": "g"}


def test_what_is_asked_for_wins() -> None:
    options = {"group.id": "mine", "client.id": "me", "bootstrap.servers": "other"}
    assert dict(subscribed("kafka://c1/t", GREETER, ("group.id", "g"), options=options).options) == options
