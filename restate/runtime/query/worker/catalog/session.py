"""What a catalog statement may know: the connection it came over, and the names of relations and types."""

from collections.abc import Mapping, Sequence

import attrs

from restate.runtime.query.errors import UNDEFINED_TABLE, QueryError
from restate.runtime.query.worker.catalog.content import DATABASE, FIRST_OID, OWNER_OID, DataTable
from restate.runtime.query.worker.catalog.relations import (
    INFORMATION_SCHEMA,
    NAMESPACES,
    PG_CATALOG,
    PUBLIC,
    relations,
    type_oids,
    type_title,
)

SERVER_VERSION = "15.0"
SERVER_VERSION_NUM = "150000"
VERSION = f"PostgreSQL {SERVER_VERSION} (Restate SQL introspection, read-only)"

DEFAULT_SETTINGS: Mapping[str, str] = {
    **{"application_name": "", "bytea_output": "hex", "client_encoding": "UTF8", "DateStyle": "ISO, MDY"},
    **{"client_min_messages": "notice", "default_table_access_method": "heap", "default_tablespace": ""},
    **{"default_transaction_isolation": "read committed", "default_transaction_read_only": "on"},
    **{"extra_float_digits": "1", "idle_in_transaction_session_timeout": "0", "in_hot_standby": "off"},
    **{
        "integer_datetimes": "on",
        "IntervalStyle": "postgres",
        "is_superuser": "off",
        "lc_collate": "C.UTF-8",
    },
    **{"lc_ctype": "C.UTF-8", "lock_timeout": "0", "max_connections": "100", "max_identifier_length": "63"},
    **{
        "jit": "off",
        "max_index_keys": "32",
        "row_security": "on",
        "search_path": '"$user", public',
        "server_encoding": "UTF8",
    },
    **{"server_version": SERVER_VERSION, "server_version_num": SERVER_VERSION_NUM},
    **{"standard_conforming_strings": "on", "statement_timeout": "0", "TimeZone": "UTC"},
    **{"transaction_isolation": "read committed", "transaction_read_only": "on", "block_size": "8192"},
}
"""{name: value} of what clients ask for; a session's own values come before them."""


@attrs.frozen
class CatalogSession:
    """What a statement may ask about its connection. settings: {name: value}, as SHOW gives them. process_id: its number,
    0 for none.
    """

    user: str
    timezone: str = "UTC"
    settings: Mapping[str, str] = attrs.Factory(dict)
    process_id: int = 0

    def all_settings(self) -> dict[str, str]:
        """Sorted by name, without regard to case."""
        names = {name.lower(): name for name in DEFAULT_SETTINGS}
        found = dict(DEFAULT_SETTINGS)
        found["TimeZone"] = self.timezone
        for name, value in self.settings.items():
            found[names.get(name.lower(), name)] = value
        return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))

    def setting(self, name: str) -> str | None:
        wanted = name.lower()
        return next((value for key, value in self.all_settings().items() if key.lower() == wanted), None)


@attrs.define
class Environment:
    """What the functions of SQLite see. error: what one of them raised; SQLite itself drops it."""

    tables: Sequence[DataTable]
    session: CatalogSession = CatalogSession("restate")
    error: QueryError | None = None
    _oids: dict[str, int] = attrs.field(init=False)
    _names: dict[int, str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._oids = {
            name: relation.oid for (schema, name), relation in relations().items() if schema == PG_CATALOG
        }
        self._names = {oid: name for name, oid in self._oids.items()}
        for (schema, name), relation in relations().items():
            if schema == INFORMATION_SCHEMA:
                self._oids[f"{schema}.{name}"] = relation.oid
                self._names[relation.oid] = f"{schema}.{name}"
        for table in self.tables:
            self._oids[table.name] = table.oid
            self._names[table.oid] = table.name

    def relation_oid(self, text: str) -> int | None:
        """The oid of `name` or `schema.name`, with or without quotes; digits are an oid already."""
        if text.isdigit():
            return int(text)
        parts = identifiers(text)
        if len(parts) > 1 and parts[-2] in (PG_CATALOG, PUBLIC):
            oid = self._oids.get(parts[-1])
            is_ours = oid is not None and oid >= FIRST_OID
            return oid if is_ours == (parts[-2] == PUBLIC) else None
        return self._oids.get(".".join(parts[-2:]))

    def must_relation_oid(self, text: str) -> int:
        oid = self.relation_oid(text)
        if oid is None:
            raise QueryError(f'relation "{text}" does not exist', UNDEFINED_TABLE)
        return oid

    def relation_name(self, oid: int) -> str:
        """As regclass prints it."""
        return "-" if oid == 0 else self._names.get(oid, str(oid))

    def type_oid(self, text: str) -> int | None:
        if text.isdigit():
            return int(text)
        name = text.strip().removeprefix(PG_CATALOG + ".").replace('"', "").lower()
        return type_oids().get(name)

    def must_type_oid(self, text: str) -> int:
        oid = self.type_oid(text)
        if oid is None:
            raise QueryError(f'type "{text}" does not exist', "42704")
        return oid

    def namespace_oid(self, text: str) -> int:
        found = NAMESPACES.get(text.strip('"')) if not text.isdigit() else int(text)
        if found is None:
            raise QueryError(f'schema "{text}" does not exist', "3F000")
        return found

    def printed(self, oid: int, value: object) -> object:
        """A value of a reg-type, which is stored as a number, as PostgreSQL prints it."""
        if not isinstance(value, int):
            return value
        match oid:
            case 2205:
                return self.relation_name(value)
            case 2206:
                return type_title(value)
            case 4089:
                return next((name for name, known in NAMESPACES.items() if known == value), str(value))
            case 4096:
                return self.session.user if value == OWNER_OID else str(value)
            case _:
                return value

    @property
    def database(self) -> str:
        return DATABASE


def identifiers(text: str) -> list[str]:
    """`a."B.c"` → a, B.c."""
    parts, quoted, current = [], False, ""
    for char in text.strip():
        if char == '"':
            quoted = not quoted
        elif char == "." and not quoted:
            parts.append(current)
            current = ""
        else:
            current += char if quoted else char.lower()
    return [*parts, current]
