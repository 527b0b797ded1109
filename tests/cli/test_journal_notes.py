"""What is noted beside the entries of a journal."""

import json
from typing import Any

import pytest

from restate.runtime.cli.journal_notes import entry_note


def _moment(text: str) -> str:
    return f"<{text}>"


def _command(kind: str, **fields: Any) -> dict[str, Any]:
    return {"entry_lite_json": json.dumps({"Command": {kind: fields}})}


OBJECT = {
    "VirtualObject": {"name": "Lock", "key": "k 2", "handler": "read", "handler_ty": "Shared", "scope": None}
}
SERVICE = {"Service": {"name": "Look", "handler": "sleeps", "scope": None}}


@pytest.mark.parametrize(
    ("entry", "note"),
    [
        (_command("Input"), ""),
        (_command("Sleep", wake_up_time=1_795_597_284_794), "until <2026-11-25T09:01:24.794+00:00>"),
        (_command("Sleep", wake_up_time=2**63), "until <9223372036854775808 ms after 1970>"),
        (_command("Call", invocation_id="inv_1", invocation_target=SERVICE), "Look/sleeps inv_1"),
        (
            _command("OneWayCall", invocation_id="inv_1", invocation_target=OBJECT, invoke_time=0),
            "Lock/k 2/read inv_1",
        ),
        (
            _command("OneWayCall", invocation_id="inv_1", invocation_target=SERVICE, invoke_time=1000),
            "Look/sleeps inv_1 at <1970-01-01T00:00:01.000+00:00>",
        ),
        (_command("GetEagerState", key="first", result="Void"), "first"),
        (_command("Output", result="Failure"), "failure"),
        ({"entry_lite_json": '{"Notification":{"ty":{"Completion":"Run"},"result":"Success"}}'}, "success"),
        ({"entry_lite_json": '{"Notification":{"ty":"Signal","result":"InvocationId"}}'}, ""),
        # Of the classic generation:
        ({"sleep_wakeup_at": "2026-11-25T09:01:24Z"}, "until <2026-11-25T09:01:24Z>"),
        ({"invoked_target": "a.B/C", "invoked_id": "inv_1"}, "a.B/C inv_1"),
        # Of servers that are newer than this program:
        *(
            ({"entry_lite_json": text}, "")
            for text in (
                "{",
                "[]",
                "5",
                "{}",
                '{"Event":{}}',
                '{"Command":{}}',
                '{"Command":{"New":5}}',
                '{"Command":5}',
            )
        ),
        (_command("Call", invocation_target={}), ""),
        (_command("Call", invocation_target={"New": 5}), ""),
    ],
)
def test_notes(entry: dict[str, Any], note: str) -> None:
    assert entry_note(entry, _moment) == note
