"""Where bytes are kept: ordered tables of key and value, written in atomic batches, durable after a flush.

`api.Store` is the seam: the same tests run on RocksDB and on the store in memory. Nothing here knows what the rows
mean; that is `restate.runtime.tables`. `commit.Committer` holds the rule "apply, sync, act": nobody outside of the
process learns of a write before a flush has covered it.
"""
