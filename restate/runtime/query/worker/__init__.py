"""What runs inside a query worker process: the engine, the tables, the catalog and the encoders."""
