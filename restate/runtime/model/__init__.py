"""Nouns every package shares: ids, targets, results, retry policies, durations. Pure; no behaviour beyond parsing and printing."""
