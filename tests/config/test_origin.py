from pathlib import Path

import pytest

from restate.runtime.config import load
from restate.runtime.config.origin import with_origin


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("partitions: too many", "partitions (command line): too many"),
        ("admin.token_file: empty", "admin.token_file (environment RESTATE_ADMIN__TOKEN_FILE): empty"),
        ("base_dir: in use: by 7", "base_dir (default): in use: by 7"),
        ("ingress.bind_address: taken", "ingress.bind_address (default; bind_ip: command line): taken"),
        ("something: else", "something: else"),
        ("partitions", "partitions"),
    ],
)
def test_a_message_about_a_setting_tells_where_its_value_is_from(
    tmp_path: Path, message: str, told: str
) -> None:
    overrides = {"partitions": "3", "bind_ip": "127.0.0.2"}
    config = load(overrides, {"RESTATE_ADMIN__TOKEN_FILE": "x"}, tmp_path)
    assert with_origin(message, config) == told
