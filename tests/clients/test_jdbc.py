"""pgjdbc, through which DBeaver, DataGrip, Metabase and others ask: metadata, parameters, fetch size, errors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.clients.test_psql import TABLES
from tests.support import environments
from tests.support.sql_bed import run

if TYPE_CHECKING:
    from tests.support.sql_bed import SqlBed

_PROGRAM = Path(__file__).parents[1] / "support" / "services" / "SqlMetadata.java"

EXPECTED = {
    "product": "PostgreSQL",
    "major": "15",
    "user": "reader",
    "catalogs": "[restate]",
    "schemas": "[information_schema, pg_catalog, public]",
    "tables": f"[{', '.join(TABLES)}]",
    "views": "[sys_invocation]",
    "columns": "[name, revision, public, ty, deployment_id, instance_type]",
    "types": "[text, text, text, timestamptz, int8, int8, _text]",
    "positions": "[1, 2, 3, 4, 5, 6]",
    "nullable": "[YES]",
    **dict.fromkeys(("keys", "imported", "exported", "indexes", "procedures", "functions", "best row"), "0"),
    **dict.fromkeys(("text type", "privileges", "keywords", "array", "valid", "read only"), "true"),
    "longest name": "63",
    "prepared": "5",
    "described": "[id text, created_at timestamptz, journal_size int8, partition_key numeric,"
    " completion_retention interval, suspended_waiting_for_completions _int8]",
    "parameter": "timestamptz",
    "fetched": str(5000 * 5001 // 2),
    "errors": "[42601, 42703, 22012, 25006]",
    "timeout": "57014",
    "schema": "public",
    "simple": "5",
}


@pytest.fixture(scope="module")
def said(sql_bed: SqlBed) -> dict[str, str]:
    """What the one run of the program found; a Java machine starts slowly."""
    java, driver = environments.jdbc()
    done = run([java, "-cp", str(driver), str(_PROGRAM), str(sql_bed.port)], sql_bed.environment)
    assert done.returncode == 0, done.stdout
    lines = (line.partition("=") for line in done.stdout.splitlines())
    return {name: value for name, _, value in lines}


@pytest.mark.parametrize("name", EXPECTED)
def test_pgjdbc_finds(said: dict[str, str], name: str) -> None:
    assert said.get(name) == EXPECTED[name]
