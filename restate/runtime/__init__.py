"""A durable-execution server: it journals every step of a handler and finishes every invocation as written."""

__version__ = "0.1.0"
