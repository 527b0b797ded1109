"""What the official server has stored, by its SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from tests.support.inspection import Entry, Invocation

if TYPE_CHECKING:
    from tests.support.server import Server

_COLUMNS = "id, target, status, completion_result, completion_failure, invoked_by_id"
_ATTEMPTS = frozenset({"running", "backing-off", "ready"})


class OfficialInspector:
    def __init__(self, server: Server) -> None:
        """server: started."""
        self._url = f"{server.admin}/query"
        self._http = httpx.Client(timeout=60, trust_env=False)

    def invocation(self, invocation_id: str) -> Invocation | None:
        found = self._query(f"SELECT {_COLUMNS} FROM sys_invocation WHERE id = '{invocation_id}'")
        return _invocation(found[0]) if found else None

    def invocations(self) -> dict[str, Invocation]:
        rows = self._query(f"SELECT {_COLUMNS} FROM sys_invocation")
        return {row["id"]: _invocation(row) for row in rows}

    def journal(self, invocation_id: str) -> list[Entry]:
        rows = self._query(
            f"SELECT entry_type, raw FROM sys_journal WHERE id = '{invocation_id}' ORDER BY index"
        )
        return [Entry(row["entry_type"], bytes.fromhex(row.get("raw", ""))) for row in rows]

    def state(self, service: str, key: str) -> dict[str, str]:
        quoted = key.replace("'", "''")
        rows = self._query(
            f"SELECT key, value_utf8 FROM state WHERE service_name = '{service}' AND service_key = '{quoted}'"
        )
        return {row["key"]: row["value_utf8"] for row in sorted(rows, key=lambda row: str(row["key"]))}

    def close(self) -> None:
        self._http.close()

    def _query(self, sql: str) -> list[dict[str, Any]]:
        reply = self._http.post(self._url, json={"query": sql}, headers={"accept": "application/json"})
        assert reply.status_code == 200, f"{sql}: {reply.status_code} {reply.text}"
        rows: list[dict[str, Any]] = reply.json()["rows"]
        return rows


def _invocation(row: dict[str, Any]) -> Invocation:
    status = row["status"]
    failed = row.get("completion_result") == "failure"
    return Invocation(
        id=row["id"],
        target=row["target"],
        status="invoked" if status in _ATTEMPTS else status,
        outcome=row["completion_failure"] if failed else row.get("completion_result"),
        parent=row.get("invoked_by_id"),
    )
