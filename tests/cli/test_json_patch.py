"""JSON patches."""

from typing import Any

import pytest

from restate.runtime.cli.json_patch import PatchError, apply


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        ({"a": 1}, [{"op": "add", "path": "/b", "value": [2]}], {"a": 1, "b": [2]}),
        ({"a": 1}, [{"op": "add", "path": "/a", "value": 2}], {"a": 2}),
        ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2]}),
        ({"a": 1}, [{"op": "add", "path": "", "value": {"b": 2}}], {"b": 2}),
        ({"a": 1, "b": 2}, [{"op": "remove", "path": "/a"}], {"b": 2}),
        ({"a": [1, 2]}, [{"op": "remove", "path": "/a/0"}], {"a": [2]}),
        ({"a": 1}, [{"op": "replace", "path": "/a", "value": None}], {"a": None}),
        ({"a": [1, 2, 3]}, [{"op": "replace", "path": "/a/1", "value": 9}], {"a": [1, 9, 3]}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {}}], {}),
        ({"a": {"x": 1}}, [{"op": "move", "from": "/a/x", "path": "/y"}], {"a": {}, "y": 1}),
        ({"a": {"x": 1}}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": {"x": 1}, "b": {"x": 1}}),
        ({"a/b": 1, "m~n": 2}, [{"op": "remove", "path": "/a~1b"}, {"op": "remove", "path": "/m~0n"}], {}),
        ({"": 1}, [{"op": "replace", "path": "/", "value": 2}], {"": 2}),
        (
            {"a": [1, {"b": True}]},
            [{"op": "test", "path": "/a", "value": [1, {"b": True}]}],
            {"a": [1, {"b": True}]},
        ),
        ({"a": 1.0}, [{"op": "test", "path": "/a", "value": 1}], {"a": 1.0}),
        ({}, [], {}),
    ],
)
def test_a_patch_changes_a_document(document: Any, patch: Any, expected: Any) -> None:
    before = repr(document)
    assert apply(document, patch) == expected
    assert repr(document) == before


@pytest.mark.parametrize(
    ("document", "patch", "reason"),
    [
        ({}, {}, "is a list of operations"),
        ({}, [1], "is an object"),
        ({}, [{"op": "spoil", "path": "/a"}], "'spoil' is unknown"),
        ({}, [{"op": "add", "path": "/a"}], "needs 'value'"),
        ({}, [{"op": "add", "value": 1}], "needs 'path'"),
        ({}, [{"op": "add", "path": "a", "value": 1}], "begins with '/'"),
        ({}, [{"op": "add", "path": "/a/b", "value": 1}], "there is no 'a'"),
        ({"a": 1}, [{"op": "add", "path": "/a/b", "value": 1}], "nothing below"),
        ({}, [{"op": "remove", "path": "/a"}], "there is no 'a'"),
        ({}, [{"op": "replace", "path": "/a", "value": 1}], "there is no 'a'"),
        ({"a": [1]}, [{"op": "remove", "path": "/a/1"}], "no index 1"),
        ({"a": [1]}, [{"op": "add", "path": "/a/2", "value": 1}], "no index 2"),
        ({"a": [1, 2]}, [{"op": "remove", "path": "/a/01"}], "'01' is no index"),
        ({"a": [1, 2]}, [{"op": "remove", "path": "/a/-"}], "'-' is no index"),
        ({"a": [1, 2]}, [{"op": "remove", "path": "/a/-1"}], "'-1' is no index"),
        ({"a": {}}, [{"op": "move", "from": "/a", "path": "/a/b"}], "into itself"),
        ({"a": 1}, [{"op": "test", "path": "/a", "value": True}], "the test of '/a' failed"),
        ({"a": [1]}, [{"op": "test", "path": "/a", "value": [2]}], "the test of '/a' failed"),
    ],
)
def test_a_patch_that_does_not_fit_is_refused(document: Any, patch: Any, reason: str) -> None:
    with pytest.raises(PatchError, match=reason):
        apply(document, patch)
