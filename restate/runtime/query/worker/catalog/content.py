"""The rows of the system relations that have some; all others are empty."""

import zlib
from collections.abc import Collection, Iterator, Mapping

import attrs
import pyarrow as pa

from restate.runtime.query.worker.catalog.relations import (
    INFORMATION_SCHEMA,
    NAMESPACES,
    PG_CATALOG,
    PUBLIC,
    base_types,
    type_title,
    types_by_oid,
)
from restate.runtime.query.worker.oids import ELEMENTS, type_oid

DATABASE = "restate"
DATABASE_OID = 16_383
OWNER_OID = 10
HEAP_OID = 2
DEFAULT_COLLATION = 100
DEFAULT_TABLESPACE = 1663
FIRST_OID = 16_384
"""Of what a user creates; oids below are PostgreSQL's own."""

Values = dict[str, object]
"""{column: value}; columns left out get the usual value of their name, else NULL."""


@attrs.frozen
class Column:
    """name, its type's oid, and number from 1."""

    name: str
    oid: int
    number: int


@attrs.frozen
class DataTable:
    """One of ours in schema public."""

    name: str
    oid: int
    is_view: bool
    columns: tuple[Column, ...]


def data_tables(tables: Mapping[str, pa.Schema], views: Collection[str]) -> list[DataTable]:
    """Sorted by name. A table keeps its oid as long as its name, across workers and releases."""
    taken: set[int] = set()
    found = []
    for name in sorted(tables):
        oid = FIRST_OID + zlib.crc32(name.encode()) % 2**24
        while oid in taken:
            oid += 1
        taken.add(oid)
        columns = tuple(
            Column(field.name, type_oid(field.type), number)
            for number, field in enumerate(tables[name], start=1)
        )
        found.append(DataTable(name, oid, name in views, columns))
    return found


def rows(tables: list[DataTable]) -> Iterator[tuple[tuple[str, str], Values]]:
    """((schema, relation), row) of everything that is the same for every session."""
    for name, oid in NAMESPACES.items():
        yield (PG_CATALOG, "pg_namespace"), {"oid": oid, "nspname": name, "nspowner": OWNER_OID}
        yield (
            (INFORMATION_SCHEMA, "schemata"),
            {"catalog_name": DATABASE, "schema_name": name, "schema_owner": "restate"},
        )
    for row in _types():
        yield (PG_CATALOG, "pg_type"), row
    for relation, row in _singles():
        yield (PG_CATALOG, relation), row
    for table in tables:
        yield from _table_rows(table)


def _singles() -> Iterator[tuple[str, Values]]:
    yield (
        "pg_database",
        {
            **{
                "oid": DATABASE_OID,
                "datname": DATABASE,
                "datdba": OWNER_OID,
                "encoding": 6,
                "datlocprovider": "c",
            },
            **{"datistemplate": 0, "datallowconn": 1, "datconnlimit": -1, "datfrozenxid": 0, "datminmxid": 1},
            **{"dattablespace": DEFAULT_TABLESPACE, "datcollate": "C.UTF-8", "datctype": "C.UTF-8"},
        },
    )
    yield "pg_am", {"oid": HEAP_OID, "amname": "heap", "amhandler": "heap_tableam_handler", "amtype": "t"}
    yield "pg_tablespace", {"oid": DEFAULT_TABLESPACE, "spcname": "pg_default", "spcowner": OWNER_OID}
    yield (
        "pg_collation",
        {
            **{"oid": DEFAULT_COLLATION, "collname": "default", "collnamespace": 11, "collowner": OWNER_OID},
            **{"collprovider": "d", "collisdeterministic": 1, "collencoding": -1},
        },
    )
    for oid, name in ((12, "internal"), (13, "c"), (14, "sql")):
        yield (
            "pg_language",
            {
                "oid": oid,
                "lanname": name,
                "lanowner": OWNER_OID,
                "lanispl": 0,
                "lanpltrusted": int(name == "sql"),
            },
        )


def _types() -> Iterator[Values]:
    for kind in base_types():
        yield {
            **_TYPE_DEFAULTS,
            **{"oid": kind.oid, "typname": kind.name, "typlen": kind.size, "typbyval": kind.by_value},
            **{"typtype": kind.kind, "typcategory": kind.category, "typispreferred": kind.preferred},
            **{
                "typelem": kind.element,
                "typarray": kind.array,
                "typinput": kind.input,
                "typoutput": kind.output,
            },
            **{"typreceive": kind.receive, "typsend": kind.send, "typsubscript": kind.subscript},
            **{"typalign": kind.alignment, "typstorage": kind.storage, "typcollation": kind.collation},
        }
        if kind.array:
            yield {
                **_TYPE_DEFAULTS,
                **{
                    "oid": kind.array,
                    "typname": "_" + kind.name,
                    "typlen": -1,
                    "typbyval": 0,
                    "typtype": "b",
                },
                **{"typcategory": "A", "typispreferred": 0, "typelem": kind.oid, "typarray": 0},
                **{"typinput": "array_in", "typoutput": "array_out", "typreceive": "array_recv"},
                **{
                    "typsend": "array_send",
                    "typsubscript": "array_subscript_handler",
                    "typanalyze": "array_typanalyze",
                },
                **{"typalign": "d" if kind.alignment == "d" else "i", "typstorage": "x"},
                "typcollation": kind.collation,
            }


_TYPE_DEFAULTS: Values = {
    **{"typnamespace": 11, "typowner": OWNER_OID, "typisdefined": 1, "typdelim": ",", "typrelid": 0},
    **{
        "typmodin": "-",
        "typmodout": "-",
        "typanalyze": "-",
        "typnotnull": 0,
        "typbasetype": 0,
        "typtypmod": -1,
    },
    "typndims": 0,
}


def _table_rows(table: DataTable) -> Iterator[tuple[tuple[str, str], Values]]:
    yield (
        (PG_CATALOG, "pg_class"),
        {
            **{
                "oid": table.oid,
                "relname": table.name,
                "relnamespace": NAMESPACES[PUBLIC],
                "reltype": 0,
                "reloftype": 0,
            },
            **{
                "relowner": OWNER_OID,
                "relam": 0 if table.is_view else HEAP_OID,
                "relfilenode": 0,
                "reltablespace": 0,
            },
            **{"relpages": 0, "reltuples": -1.0, "relallvisible": 0, "reltoastrelid": 0, "relhasindex": 0},
            **{"relisshared": 0, "relpersistence": "p", "relkind": "v" if table.is_view else "r"},
            **{
                "relnatts": len(table.columns),
                "relchecks": 0,
                "relhasrules": int(table.is_view),
                "relhastriggers": 0,
            },
            **{"relhassubclass": 0, "relrowsecurity": 0, "relforcerowsecurity": 0, "relispopulated": 1},
            **{"relreplident": "n" if table.is_view else "d", "relispartition": 0, "relrewrite": 0},
            **{"relfrozenxid": 0, "relminmxid": 0},
        },
    )
    kind = "VIEW" if table.is_view else "BASE TABLE"
    place = {"table_catalog": DATABASE, "table_schema": PUBLIC, "table_name": table.name}
    yield (
        (INFORMATION_SCHEMA, "tables"),
        {**place, "table_type": kind, "is_insertable_into": "NO", "is_typed": "NO"},
    )
    if table.is_view:
        nothing = dict.fromkeys(
            (
                *("is_updatable", "is_insertable_into", "is_trigger_updatable", "is_trigger_deletable"),
                "is_trigger_insertable_into",
            ),
            "NO",
        )
        yield (INFORMATION_SCHEMA, "views"), {**place, "check_option": "NONE", **nothing}
        yield (PG_CATALOG, "pg_views"), {"schemaname": PUBLIC, "viewname": table.name, "viewowner": "restate"}
    else:
        yield (
            (PG_CATALOG, "pg_tables"),
            {
                **{"schemaname": PUBLIC, "tablename": table.name, "tableowner": "restate", "hasindexes": 0},
                **{"hasrules": 0, "hastriggers": 0, "rowsecurity": 0},
            },
        )
    for column in table.columns:
        yield (PG_CATALOG, "pg_attribute"), _attribute(table, column)
        yield (INFORMATION_SCHEMA, "columns"), {**place, **_column(column)}


def _attribute(table: DataTable, column: Column) -> Values:
    element = ELEMENTS.get(column.oid)
    kind = types_by_oid()[element or column.oid]
    aligned = "d" if kind.alignment == "d" else "i"
    return {
        **{"attrelid": table.oid, "attname": column.name, "atttypid": column.oid, "attstattarget": -1},
        **{"attlen": -1 if element else kind.size, "attnum": column.number, "attndims": 1 if element else 0},
        **{"attcacheoff": -1, "atttypmod": -1, "attbyval": 0 if element else kind.by_value},
        **{
            "attalign": aligned if element else kind.alignment,
            "attstorage": "x" if element else kind.storage,
        },
        **{"attcompression": "", "attnotnull": 0, "atthasdef": 0, "atthasmissing": 0, "attidentity": ""},
        **{
            "attgenerated": "",
            "attisdropped": 0,
            "attislocal": 1,
            "attinhcount": 0,
            "attcollation": kind.collation,
        },
    }


def _column(column: Column) -> Values:
    element = ELEMENTS.get(column.oid)
    name = "_" + types_by_oid()[element].name if element else types_by_oid()[column.oid].name
    return {
        **{"column_name": column.name, "ordinal_position": column.number, "is_nullable": "YES"},
        **{"data_type": "ARRAY" if element else type_title(column.oid), **_measures(name)},
        **{"udt_catalog": DATABASE, "udt_schema": PG_CATALOG, "udt_name": name},
        **{"dtd_identifier": str(column.number), "is_self_referencing": "NO", "is_identity": "NO"},
        **{"identity_cycle": "NO", "is_generated": "NEVER", "is_updatable": "NO"},
    }


def _measures(type_name: str) -> Values:
    """What information_schema says of the size of a type."""
    match type_name:
        case "text":
            return {"character_octet_length": 1_073_741_824}
        case "int2" | "int4" | "int8":
            bits = {"int2": 16, "int4": 32, "int8": 64}[type_name]
            return {"numeric_precision": bits, "numeric_precision_radix": 2, "numeric_scale": 0}
        case "float4" | "float8":
            return {
                "numeric_precision": {"float4": 24, "float8": 53}[type_name],
                "numeric_precision_radix": 2,
            }
        case "numeric":
            return {"numeric_precision_radix": 10}
        case "timestamp" | "timestamptz" | "time" | "interval":
            return {"datetime_precision": 6}
        case "date":
            return {"datetime_precision": 0}
        case _:
            return {}
