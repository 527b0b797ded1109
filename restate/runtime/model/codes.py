"""Failure codes: classic ones are gRPC statuses (plus 32, 33, 64), modern ones are HTTP statuses (plus 570 to 573)."""

from restate.runtime.model.target import Generation

CLASSIC_JOURNAL_MISMATCH = 32
CLASSIC_PROTOCOL_VIOLATION = 33
CLASSIC_KILLED = 64
MODERN_JOURNAL_MISMATCH = 570
MODERN_PROTOCOL_VIOLATION = 571

_TO_MODERN = {
    1: 409, 2: 500, 3: 400, 4: 408, 5: 404, 6: 409, 7: 403, 8: 429, 9: 412,
    10: 409, 11: 400, 12: 501, 13: 500, 14: 503, 15: 500, 16: 401, 64: 409,
}  # fmt: skip
_TO_CLASSIC = {
    400: 3, 401: 16, 403: 7, 404: 5, 410: 5, 408: 4, 504: 4, 409: 10, 412: 9,
    413: 8, 429: 8, 501: 12, 503: 14, 500: 13,
}  # fmt: skip


def convert(code: int, source: Generation, target: Generation) -> int:
    """The code as the other generation's SDK expects it (service-protocol.md §6). Same generation: unchanged, but
    the internal classic 64 (killed) becomes 10 ABORTED, which is what a classic caller sees.
    """
    if target is Generation.MODERN:
        return code if source is Generation.MODERN else _TO_MODERN.get(code, 500)
    if source is Generation.MODERN:
        return _TO_CLASSIC.get(code, 2)
    return 10 if code == CLASSIC_KILLED else code
