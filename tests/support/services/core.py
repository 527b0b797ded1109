"""Runs in the Python SDK's environment: its protocol machine, one call per line of JSON on stdin, one answer on stdout.

Request: [method, arguments]; method "new" makes the machine. Answer: [value]. Bytes are {"bytes": base64}.
"""

import base64
import dataclasses
import json
import sys
from typing import Any

from restate import vm as sdk  # type: ignore[attr-defined]


def _encode(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [_encode(item) for item in value]
    if isinstance(value, Exception):
        return {"error": str(value)}
    if dataclasses.is_dataclass(value):
        fields = {field.name: _encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **fields}
    if value is None or isinstance(value, (str, int, bool, dict)):
        return value
    names = [name for name in dir(value) if not name.startswith("_")]
    return {"kind": type(value).__name__, **{name: _encode(getattr(value, name)) for name in names}}


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        if "bytes" in value:
            return base64.b64decode(value["bytes"])
        if "wait_for" in value:
            return sdk.FirstCompletedUnresolvedFuture(
                [sdk.SingleUnresolvedFuture(handle) for handle in value["wait_for"]]
            )
        return sdk.Failure(value["code"], value["message"])
    return value


def main() -> None:
    """Until stdin ends."""
    machine: Any = None
    for line in sys.stdin:
        method, arguments = json.loads(line)
        answer: Any = None
        try:
            if method == "new":
                machine = sdk.VMWrapper([tuple(header) for header in arguments[0]])
            else:
                answer = getattr(machine, method)(*(_decode(argument) for argument in arguments))
        except Exception as error:  # whatever it is, the test shall see it
            answer = error
        print(json.dumps([_encode(answer)]), flush=True)


main()
