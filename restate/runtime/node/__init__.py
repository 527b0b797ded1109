"""Port 5122: what operators and orchestrators ask the process itself."""
