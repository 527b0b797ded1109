"""What every RPC client must have been told: the answers to the calls of `tests/support/services/rpc/calls.mjs`."""

from __future__ import annotations

from typing import Any

ABORTED, FAILED_PRECONDITION, INVALID_ARGUMENT, DEADLINE_EXCEEDED = 10, 9, 3, 4


def check(report: dict[str, Any]) -> None:
    """AssertionError where a client was told something else."""
    assert response(report["modern"]) == response(report["classic"]) == "Hello Bob ☺"
    assert [response(each) for each in report["object"]] == [2, 4]
    assert [response(each) for each in report["keyed"]] == [2, 4]
    assert report["shop"]["reply"]["customer"].endswith("-shop")
    assert ["x-own", "mine"] in response(report["seen"])
    refused, by_classic = report["refused"], report["refusedByClassic"]
    assert (refused["code"], refused["message"]) == (ABORTED, "no: 100% ☺")
    assert refused["headers"]["x-restate-id"].startswith("inv_1")
    assert refused["headers"]["x-restate-error-code"] == "409"
    assert (by_classic["code"], by_classic["message"]) == (FAILED_PRECONDITION, "no: 100% ☺")
    assert report["keyless"]["code"] == INVALID_ARGUMENT
    _check_once(report)
    assert report["late"]["code"] == DEADLINE_EXCEEDED
    assert report["large"] == len("Hello ") + 1_000_000
    assert report["sent"]["reply"]["id"].startswith("inv_1")
    assert report["many"] == [f"Hello {number}" for number in range(20)]


def _check_once(report: dict[str, Any]) -> None:
    """The second call with an idempotency key is told of the first one's outcome."""
    first, second = report["once"]
    assert response(first) == response(second) == 1
    assert first["headers"]["x-restate-id"] == second["headers"]["x-restate-id"]
    assert "idempotency-expires" in second["headers"]
    for each in report["onceInClassic"]:
        assert response(each) == 1
        assert each["headers"]["idempotency-expires"].endswith("Z")


def response(answer: dict[str, Any]) -> Any:
    assert "reply" in answer, answer
    return answer["reply"]["response"]
