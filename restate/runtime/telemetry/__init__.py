"""What operators see of a running server: its log, its metrics, and the spans of what it does."""
