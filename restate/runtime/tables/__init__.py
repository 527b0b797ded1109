"""What is stored: one small class per table over a key-value store, with the pending writes of the current batch on top.

Theory. Each noun has a key that sorts as people think (`keys`), and a value with a version byte in front (`rows`). The
engine reads and writes through `api.Tables`. Its writes stay in an overlay, which all reads see, until
`Tables.take_writes` hands them over for one atomic write of the store. There is one writer, on one thread; others may
read through a `Tables` of their own. Pure: the store is given.
"""
