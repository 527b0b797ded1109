"""HTTP on Trio: our own listener (HTTP/1.1 and h2c on one port) and the client that calls deployments."""
