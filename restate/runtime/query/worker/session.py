"""DataFusion over our tables: set up once per worker, read-only by its options (sql.md §3.4)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
from datafusion import (
    DataFrame,
    RuntimeEnvBuilder,
    SessionConfig,
    SessionContext,
    SQLOptions,
)
from datafusion import Table as DataFusionTable

from restate.runtime.query.errors import QueryError
from restate.runtime.query.worker import oids, tables, udf
from restate.runtime.query.worker.faults import fault
from restate.runtime.query.worker.placeholders import placeholder_types
from restate.runtime.query.worker.rewrites import rewrite
from restate.runtime.query.worker.scan import Provider, Source
from restate.runtime.query.worker.world import World

_BATCH_ROWS = 4_096
_LONG_BATCH_ROWS = 64
"""Filters, sorts and joins gather so many rows before they give some, whatever the length of these."""
_STALE_COLUMN = re.compile(r"\bservice_key_utf8\b")
"""The tour of the classic generation asks for it, although even 0.8 has no such column."""


class Session:
    """Plans statements. Raises QueryError wherever DataFusion raises anything."""

    def __init__(
        self, world: World, sources: Mapping[str, Source], *, memory_bytes: int, spill_home: Path
    ) -> None:
        """sources: of every table in `tables`."""
        self._world = world
        self._sources = sources
        runtime = RuntimeEnvBuilder().with_fair_spill_pool(memory_bytes)
        self._runtime = runtime.with_disk_manager_specified(str(spill_home))
        self._options = SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)
        self._context = self._of_batches(_BATCH_ROWS)

    @cached_property
    def _context_of_long_rows(self) -> SessionContext:
        return self._of_batches(_LONG_BATCH_ROWS)

    def _of_batches(self, batch_rows: int) -> SessionContext:
        config = (
            SessionConfig()
            .with_information_schema(True)
            .with_default_catalog_and_schema("restate", "public")
            .with_target_partitions(1)
            .with_batch_size(batch_rows)
            .set("datafusion.sql_parser.dialect", "PostgreSQL")
        )
        context = SessionContext(config, self._runtime)
        for table in tables.TABLES:
            provider = DataFusionTable(Provider.of(self._sources[table.name], self._world))
            if table.view:
                # Clients see a view, whose rows come from a table without a name.
                context.register_view(table.name, context.read_table(provider))
            else:
                context.register_table(table.name, provider)
        for function in udf.FUNCTIONS:
            context.register_udf(function)
        return context

    def plan(self, sql: str, parameters: Sequence[Any] = ()) -> DataFrame:
        """parameters: values of $1, $2, ..."""
        text = rewrite(sql)
        values = {str(number): value for number, value in enumerate(parameters, start=1)}
        try:
            return self._plan(text, values)
        except Exception as error:
            if "No field named service_key_utf8" in str(error):
                return self.plan(_STALE_COLUMN.sub("service_key", text), parameters)
            raise self.fault(error, sql) from error

    def _plan(self, text: str, values: dict[str, Any]) -> DataFrame:
        context = self._context_of_long_rows if tables.may_have_long_rows(text) else self._context
        if not values:
            return context.sql_with_options(text, self._options)
        return context.sql_with_options(text, self._options, param_values=values)

    def describe(self, sql: str, parameter_oids: Sequence[int]) -> tuple[list[int], pa.Schema]:
        """Type oids of the parameters, and the columns."""
        frame = self.plan(sql)
        return placeholder_types(sql, frame, parameter_oids), frame.schema()

    def execute(self, frame: DataFrame, sql: str) -> Iterator[pa.RecordBatch]:
        """The batches, each when it is asked for."""
        try:
            for batch in frame.execute_stream():
                yield batch.to_pyarrow()
        except Exception as error:
            raise self.fault(error, sql) from error

    def fault(self, error: BaseException, sql: str) -> QueryError:
        return fault(error, sql, tables.BY_NAME)


def column_types(schema: pa.Schema) -> list[tuple[str, int, int]]:
    """[(name, oid, size), ...] in the terms of Postgres."""
    return [(field.name, *oids.column_type(field.type)) for field in schema]
