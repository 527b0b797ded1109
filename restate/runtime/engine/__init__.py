"""The partition state machine: the one place that decides what happens to invocations.

`Machine.apply(record, now_ms, tables)` gives actions and leaves its writes in the tables. It is deterministic: time
and ids come with the record, and the only state outside of the tables is which attempt may speak for an invocation
(`attempts`). A record's work is a `Turn`. It loads an invocation as a `Draft`, changes it through the functions of
`lifecycle`, and saves it once. What it has to tell other invocations are messages, which are records too; they are
applied after it, in the order they were sent, in the same write.

The rules are numbered as in the transition table of the specification (engine.md §3.3).
"""
