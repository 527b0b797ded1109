"""Port 9071: SQL over the Postgres wire protocol."""
