"""Runs attempts: one stream to a deployment per invocation that should make progress."""
