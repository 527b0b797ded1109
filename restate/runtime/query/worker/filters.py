"""What a pushed-down filter leaves of the values of a column: which keys need to be read at all.

`pyarrow.compute.Expression` has no public walker, but it pickles as an IPC file whose schema metadata is its tree in
prefix order, with the literals as columns (sql.md §3.3). The metadata repeats keys, so it is read through Arrow's C data
interface. A tree that is not understood leaves everything open: the filter itself is applied to every row in any case.
"""

import ctypes
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import pyarrow as pa
import pyarrow.compute as pc

log = logging.getLogger("restate.query")

Allowed = Mapping[str, frozenset[Any]]
"""{column: the only values it may have}; other columns may have any."""

_MOST_VALUES = 10_000
_PLACE = "\x00place"
_COMPARISONS = frozenset({"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"})
_CONNECTIVES = frozenset({"and_kleene", "or_kleene", "invert"})


@attrs.frozen
class Call:
    """A function with its arguments. options: the value set of `is_in`, or None."""

    function: str
    arguments: tuple["Node", ...]
    options: pa.Array | None = None


@attrs.frozen
class Field:
    name: str


@attrs.frozen
class Literal:
    value: Any
    scalar: pa.Scalar | None = attrs.field(default=None, eq=False, repr=False)
    """The same with its type."""


Node = Call | Field | Literal


class NotUnderstood(Exception):
    """The expression is not in the form that we know."""


@attrs.frozen
class Filter:
    """A filter that was pushed down. columns: those it reads; all there are if it is not understood. allowed: a sound
    superset of what it lets through.
    """

    expression: pc.Expression
    columns: frozenset[str]
    allowed: Allowed
    _node: Node | None

    @classmethod
    def of(cls, expression: pc.Expression, schema: pa.Schema) -> "Filter":
        try:
            node = decode(expression)
            return cls(expression, frozenset(_fields(node)), _allowed(node), node)
        except (NotUnderstood, RecursionError) as error:
            log.debug("a filter is applied to every row: %s", error)
            return cls(expression, frozenset(schema.names), {}, None)

    def places(self, size: int, column: Callable[[str], pa.Array]) -> pa.Array:
        """The places of the rows that it lets through, exactly, among `size` ones."""
        try:
            return pc.indices_nonzero(_mask(self._node, column))
        except NotUnderstood:
            # The engine that knows all functions costs a millisecond each time.
            arrays = [*(column(name) for name in self.columns), pa.array(range(size), pa.int32())]
            batch = pa.RecordBatch.from_arrays(arrays, names=[*self.columns, _PLACE])
            return batch.filter(self.expression).column(_PLACE)


def _mask(node: Node | None, column: Callable[[str], pa.Array]) -> pa.Array:
    """Whether each row passes. Raises NotUnderstood for what only the engine knows."""
    if isinstance(node, Call) and node.function == "is_in" and isinstance(node.arguments[0], Field):
        if node.options is not None and node.options.null_count == 0:
            return pc.is_in(column(node.arguments[0].name), value_set=node.options)
    elif isinstance(node, Call) and node.function in _CONNECTIVES:
        return pc.call_function(node.function, [_mask(argument, column) for argument in node.arguments])
    elif isinstance(node, Call) and node.function in _COMPARISONS:
        operands = [_operand(argument, column) for argument in node.arguments]
        if any(isinstance(operand, pa.Array) for operand in operands):
            return pc.call_function(node.function, operands)
    raise NotUnderstood(f"{node} is no plain comparison")


def _operand(node: Node, column: Callable[[str], pa.Array]) -> pa.Array | pa.Scalar:
    if isinstance(node, Field):
        return column(node.name)
    if isinstance(node, Literal) and node.scalar is not None:
        return node.scalar
    raise NotUnderstood(f"{node} is neither a column nor a value")


def _fields(node: Node) -> Iterator[str]:
    if isinstance(node, Field):
        yield node.name
    elif isinstance(node, Call):
        for argument in node.arguments:
            yield from _fields(argument)


def _allowed(node: Node) -> Allowed:
    if isinstance(node, Literal) and node.value is False:
        return {"": frozenset()}
    if not isinstance(node, Call):
        return {}
    match node.function:
        case "and_kleene" | "and":
            found: dict[str, frozenset[Any]] = {}
            for argument in node.arguments:
                for name, values in _allowed(argument).items():
                    found[name] = found[name] & values if name in found else values
            return found
        case "or_kleene" | "or":
            sides = [_allowed(argument) for argument in node.arguments]
            names = set.intersection(*(set(side) for side in sides))
            return {name: frozenset[Any]().union(*(side[name] for side in sides)) for name in names}
        case "equal":
            return _equal(*node.arguments)
        case "is_in":
            return _is_in(node)
    return {}


def _equal(left: Node, right: Node) -> Allowed:
    if isinstance(left, Literal):
        left, right = right, left
    if isinstance(left, Field) and isinstance(right, Literal):
        return {left.name: frozenset() if right.value is None else frozenset((right.value,))}
    return {}


def _is_in(node: Call) -> Allowed:
    (argument,) = node.arguments
    values = None if node.options is None else node.options.to_pylist()
    if not isinstance(argument, Field) or values is None or None in values or len(values) > _MOST_VALUES:
        return {}
    return {argument.name: frozenset(values)}


def decode(expression: pc.Expression) -> Node:
    """The expression as a tree. Raises NotUnderstood."""
    try:
        buffer = expression.__reduce__()[1][0]
        with pa.ipc.open_file(buffer) as file:
            batch = file.get_batch(0)
        pairs = iter(_metadata(batch.schema))
        return _node(next(pairs), pairs, batch)
    except (pa.ArrowException, AttributeError, LookupError, StopIteration, TypeError, ValueError) as error:
        raise NotUnderstood(f"{expression}: {error!r}") from error


def _node(pair: tuple[str, str], pairs: Iterator[tuple[str, str]], batch: pa.RecordBatch) -> Node:
    key, value = pair
    if key == "literal":
        scalar = batch.column(int(value))[0]
        return Literal(scalar.as_py(), scalar)
    if key == "field_ref":
        return Field(value)
    if key != "call":
        raise NotUnderstood(f"expected a call, field_ref or literal, got {key!r}")
    arguments: list[Node] = []
    options = None
    for inner in pairs:
        if inner[0] == "end":
            return Call(value, tuple(arguments), options)
        if inner[0] == "options":
            options = _value_set(batch.column(int(inner[1]))[0])
        else:
            arguments.append(_node(inner, pairs, batch))
    raise NotUnderstood(f"the call of {value} has no end")


def _value_set(options: pa.Scalar) -> pa.Array | None:
    """Of the options of `is_in`, which are a struct; None for those of other functions."""
    if not pa.types.is_struct(options.type):
        return None
    names = [field.name for field in options.type]
    if "value_set" not in names:
        return None
    return options["value_set"].values


class _ArrowSchema(ctypes.Structure):
    """The head of Arrow's C struct of that name."""

    _fields_ = (
        ("format", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("metadata", ctypes.c_void_p),
    )


_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype = ctypes.c_void_p
_pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)


def _metadata(schema: pa.Schema) -> list[tuple[str, str]]:
    """[(key, value), ...], repeated keys included, in their order."""
    capsule = schema.__arrow_c_schema__()
    head = _ArrowSchema.from_address(_pointer(capsule, b"arrow_schema"))
    if not head.metadata:
        return []
    address = head.metadata

    def number() -> int:
        nonlocal address
        found = ctypes.c_int32.from_address(address).value
        address += 4
        return found

    def text() -> str:
        nonlocal address
        size = number()
        found = ctypes.string_at(address, size)
        address += size
        return found.decode()

    return [(text(), text()) for _ in range(number())]
