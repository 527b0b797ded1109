"""Invocation ids as text, a million at a time: what `model.ids.format_invocation_id` gives, without its cache, unrolled.

A scan meets every id once, so remembering them costs more than it saves.
"""

from collections.abc import Iterable

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_TEN_DIGITS = 62**10
"""The most digits that fit into a machine word, whose divisions are cheap."""
_P = 62**2


def invocation_texts(ids: Iterable[bytes]) -> list[str]:
    """Of ids of 24 bytes."""
    from_bytes, pairs, alphabet = int.from_bytes, _PAIRS, _ALPHABET
    found = []
    for raw in ids:
        first, a = divmod(from_bytes(raw[:8], "little"), _TEN_DIGITS)
        rest, c = divmod(from_bytes(raw[8:], "little"), _TEN_DIGITS)
        top, b = divmod(rest, _TEN_DIGITS)
        a, a0 = divmod(a, _P)
        a, a1 = divmod(a, _P)
        a, a2 = divmod(a, _P)
        a4, a3 = divmod(a, _P)
        b, b0 = divmod(b, _P)
        b, b1 = divmod(b, _P)
        b, b2 = divmod(b, _P)
        b4, b3 = divmod(b, _P)
        c, c0 = divmod(c, _P)
        c, c1 = divmod(c, _P)
        c, c2 = divmod(c, _P)
        c4, c3 = divmod(c, _P)
        found.append(
            f"inv_1{alphabet[first]}{pairs[a4]}{pairs[a3]}{pairs[a2]}{pairs[a1]}{pairs[a0]}{pairs[top]}"
            f"{pairs[b4]}{pairs[b3]}{pairs[b2]}{pairs[b1]}{pairs[b0]}"
            f"{pairs[c4]}{pairs[c3]}{pairs[c2]}{pairs[c1]}{pairs[c0]}"
        )
    return found
