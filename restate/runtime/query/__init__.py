"""SQL over everything stored: workers that run it (`pool`, `worker`), and port 9071, the Postgres wire protocol."""
