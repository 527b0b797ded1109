"""What PostgreSQL's clients ask `pg_catalog` and `information_schema`, answered by an in-memory SQLite database."""
