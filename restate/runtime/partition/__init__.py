"""The one writer: records in, engine, committed writes, actions out."""
