"""What is registered: deployments, their services and handlers, and what may change about them. Pure.

One row per deployment is stored; everything else is computed. `Registry` is an immutable view over all rows; a change
is a list of rows (`registration.py`) that the partition stores and answers with the next `Registry`. The latest
revision of a service name takes new invocations; pinned invocations keep theirs.

Both generations share the nouns. Classic services carry the names of their protobuf messages, and their deployment
carries the descriptors, which are repaired once, when they are discovered (`descriptors.py`), and loaded into a pool of
their own when they are first used (`messages.py`).
"""
