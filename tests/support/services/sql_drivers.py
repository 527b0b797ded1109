"""Postgres drivers of Python against a server. Usage: sql_drivers.py <port> <scenario>; prints one JSON value."""

import asyncio
import datetime
import decimal
import json
import sys

PORT = int(sys.argv[1])
DSN = f"host=127.0.0.1 port={PORT} user=reader dbname=restate"
URI = f"postgresql://reader@127.0.0.1:{PORT}/restate"

TYPES = (
    "select true as b, 1 as i, 2.5 as f, 'é' as t, cast(18446744073709551615 as bigint unsigned) as n,"
    " to_timestamp(0) as ts, make_array(1, 2) as a, arrow_cast('hi', 'Binary') as raw, null as nothing,"
    " interval '1 day 2 hours' as iv, date '2026-11-23' as d"
)
COUNTERS = "select service_key, value_utf8 from state where service_name = 'Counter' order by service_key"
BY_KEY = "select value_utf8 from state where service_name = {0} and service_key = {1}"
BY_KEY_AND_LENGTH = BY_KEY + " and value_length >= {2} and partition_key > {3} limit {4}"
SERIES = "select * from generate_series(1, 5000)"


def plain(value: object) -> object:
    """A value of a driver, as JSON that tells its type where JSON does not."""
    match value:
        case decimal.Decimal():
            return f"decimal {value}"
        case datetime.datetime():
            return value.isoformat()
        case datetime.date():
            return f"date {value}"
        case datetime.timedelta():
            return f"{value.total_seconds():g} s"
        case bytes() | memoryview():
            return f"bytes {bytes(value).decode()}"
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


# psycopg 3


def psycopg_default() -> object:
    import psycopg

    with psycopg.connect(DSN) as connection:
        types = connection.execute(TYPES).fetchone()
        counters = connection.execute(COUNTERS).fetchall()
        one = connection.execute(BY_KEY.format("%s", "%s"), ("Counter", "pear")).fetchall()
        all_types = connection.execute(
            BY_KEY_AND_LENGTH.format(*["%s"] * 5), ("Counter", "pear", 1, 0, 10)
        ).fetchall()
    return {"types": types, "counters": counters, "one": one, "bound": all_types}


def psycopg_binary() -> object:
    import psycopg

    with psycopg.connect(DSN) as connection, connection.cursor(binary=True) as cursor:
        types = cursor.execute(TYPES).fetchone()
        counters = cursor.execute(COUNTERS).fetchall()
        one = cursor.execute(BY_KEY.format("%b", "%b"), ("Counter", "pear")).fetchall()
        all_types = cursor.execute(
            BY_KEY_AND_LENGTH.format(*["%b"] * 5), ("Counter", "pear", 1, 0, 10)
        ).fetchall()
    return {"types": types, "counters": counters, "one": one, "bound": all_types}


def psycopg_server_cursor() -> object:
    import psycopg

    with psycopg.connect(DSN) as connection, connection.cursor(name="big") as cursor:
        cursor.execute(SERIES)
        first = cursor.fetchmany(10)
        rest = cursor.fetchall()
        names = [column.name for column in cursor.description]
    return {"first": [row[0] for row in first], "rest": len(rest), "last": rest[-1][0], "names": names}


def psycopg_pipeline() -> object:
    import psycopg

    with psycopg.connect(DSN) as connection, connection.pipeline():
        cursors = [connection.execute("select %s::int8 + 1", (number,)) for number in range(50)]
        return [cursor.fetchone()[0] for cursor in cursors]


def psycopg_prepared() -> object:
    import psycopg

    with psycopg.connect(DSN, autocommit=True) as connection:
        return [
            connection.execute("select %s::int8 * 2 as n", (number,), prepare=True).fetchone()[0]
            for number in range(10)
        ]


def psycopg_stream() -> object:
    import psycopg

    with psycopg.connect(DSN) as connection, connection.cursor() as cursor:
        return sum(row[0] for row in cursor.stream(SERIES))


def psycopg_errors() -> object:
    import psycopg

    found = []
    with psycopg.connect(DSN) as connection:
        for sql in ("selec", "select nothere from state", "insert into state values (1)"):
            try:
                connection.execute(sql)
            except psycopg.Error as error:
                found.append([type(error).__name__, error.sqlstate])
            try:
                connection.execute("select 1")
            except psycopg.Error as error:
                found.append(error.sqlstate)
            connection.rollback()
        found.append(connection.execute("select 'still here'").fetchone()[0])
    return found


def psycopg_cancel() -> object:
    import threading

    import psycopg

    with psycopg.connect(DSN, autocommit=True) as connection:
        threading.Timer(0.5, connection.cancel_safe).start()
        try:
            connection.execute(
                "select count(*) from generate_series(1, 1000000000) a, generate_series(1, 1000000) b"
            )
        except psycopg.errors.QueryCanceled as error:
            return [error.sqlstate, connection.execute("select 1").fetchone()[0]]


def psycopg_types_of_the_catalog() -> object:
    import psycopg
    from psycopg.types import TypeInfo

    with psycopg.connect(DSN) as connection:
        text, missing = TypeInfo.fetch(connection, "text"), TypeInfo.fetch(connection, "hstore")
    return [text.oid, text.array_oid, missing]


def psycopg_async() -> object:
    import psycopg

    async def ask() -> object:
        async with await psycopg.AsyncConnection.connect(DSN) as connection:
            cursor = await connection.execute(COUNTERS)
            return await cursor.fetchall()

    return asyncio.run(ask())


def psycopg_replay() -> object:
    """[[statement, texts of its parameters], ...] on standard input, as libpq sends them → rows of each, or SQLSTATE."""
    import psycopg
    from psycopg import pq

    found = []
    with psycopg.connect(DSN, autocommit=True) as connection:
        for sql, texts in json.load(sys.stdin):
            values = [None if text is None else text.encode() for text in texts]
            result = connection.pgconn.exec_params(sql.encode(), values)
            if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
                found.append(result.ntuples)
            else:
                found.append(result.error_field(pq.DiagnosticField.SQLSTATE).decode())
    return found


# psycopg2


def psycopg2_default() -> object:
    import psycopg2

    connection = psycopg2.connect(DSN)
    cursor = connection.cursor()
    cursor.execute(TYPES)
    types = cursor.fetchone()
    cursor.execute(COUNTERS)
    counters = cursor.fetchall()
    cursor.execute(BY_KEY.format("%s", "%s"), ("Counter", "pear"))
    one = cursor.fetchall()
    cursor.execute(BY_KEY_AND_LENGTH.format(*["%s"] * 5), ("Counter", "pear", 1, 0, 10))
    bound = cursor.fetchall()
    connection.close()
    return {"types": types, "counters": counters, "one": one, "bound": bound}


def psycopg2_named_cursor() -> object:
    import psycopg2

    connection = psycopg2.connect(DSN)
    cursor = connection.cursor(name="big")
    cursor.itersize = 500
    cursor.execute(SERIES)
    total = sum(row[0] for row in cursor)
    cursor.close()
    connection.commit()
    connection.close()
    return total


def psycopg2_read_only_session() -> object:
    import psycopg2

    connection = psycopg2.connect(DSN)
    connection.set_session(readonly=True, isolation_level="SERIALIZABLE", autocommit=True)
    cursor = connection.cursor()
    cursor.execute("show transaction isolation level")
    isolation = cursor.fetchone()
    try:
        cursor.execute("delete from state")
    except psycopg2.Error as error:
        return [isolation, error.pgcode, connection.encoding, connection.server_version]


# asyncpg


def asyncpg_default() -> object:
    import asyncpg

    async def ask() -> object:
        connection = await asyncpg.connect(URI)
        types = await connection.fetchrow(TYPES)
        counters = await connection.fetch(COUNTERS)
        one = await connection.fetch(BY_KEY.format("$1", "$2"), "Counter", "pear")
        bound = await connection.fetch(
            BY_KEY_AND_LENGTH.format("$1", "$2", "$3", "$4", "$5"), "Counter", "pear", 1, 0, 10
        )
        await connection.close()
        return {
            "types": list(types),
            "counters": [tuple(row) for row in counters],
            "one": [tuple(row) for row in one],
            "bound": [tuple(row) for row in bound],
        }

    return asyncio.run(ask())


def asyncpg_cursor() -> object:
    import asyncpg

    async def ask() -> object:
        connection = await asyncpg.connect(URI)
        async with connection.transaction():
            total = 0
            async for row in connection.cursor(SERIES, prefetch=700):
                total += row[0]
        await connection.close()
        return total

    return asyncio.run(ask())


def asyncpg_pool() -> object:
    import asyncpg

    async def ask() -> object:
        async with asyncpg.create_pool(URI, min_size=1, max_size=2) as pool:
            return await asyncio.gather(
                *(pool.fetchval("select $1::int8 + 1", number) for number in range(20))
            )

    return asyncio.run(ask())


def asyncpg_arrays() -> object:
    import asyncpg

    async def ask() -> object:
        connection = await asyncpg.connect(URI)
        services = await connection.fetchval("select services from sys_deployment")
        waiting = await connection.fetchval(
            "select suspended_waiting_for_completions from sys_invocation where status = 'suspended'"
        )
        names = await connection.fetch(
            "select name from sys_service where name = any($1::text[]) order by 1", ["Counter", "Steps"]
        )
        await connection.close()
        return {"services": services, "waiting": waiting, "names": [row[0] for row in names]}

    return asyncio.run(ask())


def asyncpg_errors() -> object:
    import asyncpg

    async def ask() -> object:
        found = []
        connection = await asyncpg.connect(URI)
        for sql in ("selec", "select nothere from state", "select 1/0", "drop table state"):
            try:
                await connection.fetch(sql)
            except asyncpg.PostgresError as error:
                found.append([type(error).__name__, error.sqlstate])
        try:
            await connection.fetch(
                "select count(*) from generate_series(1, 1000000000) a, generate_series(1, 1000000) b",
                timeout=0.5,
            )
        except TimeoutError:
            found.append("timeout")
        found.append(await connection.fetchval("select 'still here'"))
        await connection.close()
        return found

    return asyncio.run(ask())


# pg8000


def pg8000_default() -> object:
    import pg8000.native

    connection = pg8000.native.Connection("reader", host="127.0.0.1", port=PORT, database="restate")
    types = connection.run(TYPES)[0]
    counters = connection.run(COUNTERS)
    one = connection.run(BY_KEY.format(":service", ":key"), service="Counter", key="pear")
    bound = connection.run(
        BY_KEY_AND_LENGTH.format(":service", ":key", ":length", ":pk", ":most"),
        service="Counter",
        key="pear",
        length=1,
        pk=0,
        most=10,
    )
    connection.close()
    return {"types": types, "counters": counters, "one": one, "bound": bound}


# SQLAlchemy and pandas


def engine(driver: str) -> object:
    import sqlalchemy

    return sqlalchemy.create_engine(f"postgresql+{driver}://reader@127.0.0.1:{PORT}/restate")


def sqlalchemy_reads(driver: str) -> object:
    import sqlalchemy

    with engine(driver).connect() as connection:
        counters = connection.execute(sqlalchemy.text(COUNTERS)).all()
        one = connection.execute(
            sqlalchemy.text(BY_KEY.format(":service", ":key")), {"service": "Counter", "key": "pear"}
        ).all()
        state = sqlalchemy.Table("state", sqlalchemy.MetaData(), autoload_with=connection)
        query = sqlalchemy.select(state.c.service_key).where(
            state.c.service_name == "Counter", state.c.value_length > 0
        )
        keys = connection.execute(query.order_by(state.c.service_key).limit(5)).scalars().all()
    return {
        "counters": [tuple(row) for row in counters],
        "one": [tuple(row) for row in one],
        "keys": list(keys),
    }


def sqlalchemy_reflects(driver: str) -> object:
    import sqlalchemy

    bound = engine(driver)
    inspector = sqlalchemy.inspect(bound)
    metadata = sqlalchemy.MetaData()
    metadata.reflect(bound, views=True)
    return {
        "schema": inspector.default_schema_name,
        "schemas": inspector.get_schema_names(),
        "tables": sorted(inspector.get_table_names()),
        "views": inspector.get_view_names(),
        "reflected": {
            name: {c.name: str(c.type) for c in table.columns} for name, table in metadata.tables.items()
        },
        "nullable": all(column.nullable for table in metadata.tables.values() for column in table.columns),
        "keys": [
            inspector.get_pk_constraint("state")["constrained_columns"],
            inspector.get_foreign_keys("state"),
            inspector.get_indexes("state"),
            inspector.get_unique_constraints("state"),
        ],
        "has": [inspector.has_table("state"), inspector.has_table("nothere")],
        "view": bool(inspector.get_view_definition("sys_invocation")),
    }


def pandas_reads() -> object:
    import pandas

    frame = pandas.read_sql(
        "select id, target_service_name, journal_size, created_at, status from sys_invocation order by created_at",
        engine("psycopg"),
    )
    table = pandas.read_sql_table("sys_service", engine("psycopg2"))
    pieces = [len(piece) for piece in pandas.read_sql(SERIES, engine("psycopg"), chunksize=2000)]
    return {
        "statuses": sorted(frame["status"]),
        "kinds": {name: kind.kind for name, kind in frame.dtypes.items()},
        "zone": str(frame["created_at"].dt.tz),
        "services": sorted(table["name"]),
        "pieces": pieces,
    }


SCENARIOS = {
    name: value
    for name, value in list(globals().items())
    if callable(value) and name.split("_")[0] in ("psycopg", "psycopg2", "asyncpg", "pg8000", "pandas")
}
for library in ("psycopg", "psycopg2", "pg8000"):
    SCENARIOS[f"sqlalchemy_{library}_reads"] = lambda library=library: sqlalchemy_reads(library)
    SCENARIOS[f"sqlalchemy_{library}_reflects"] = lambda library=library: sqlalchemy_reflects(library)

print(json.dumps(plain(SCENARIOS[sys.argv[2]]())))
