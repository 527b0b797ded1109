"""Request targets with characters beyond ASCII: HTTP knows none, but people type them, and curl sends them as they are."""

import re

_NOT_ASCII = re.compile(rb"[\x80-\xff]")


def in_ascii(text: bytes) -> bytes:
    """`text` with what is not ASCII percent-encoded, as browsers do it (RFC 3987 §3.1).

    What is not UTF-8 is left as it is, for the caller to refuse.
    """
    try:
        text.decode()
    except UnicodeDecodeError:
        return text
    return _NOT_ASCII.sub(lambda found: b"%%%02X" % found[0][0], text)


class RequestLines:
    """Puts the request lines of an HTTP/1.x connection into ASCII, before the parser, which refuses all else.

    Only a line with which a piece begins, or goes on, is looked at: where those behind it begin, the parser alone knows.
    """

    def __init__(self) -> None:
        self.open = False  # the end of the line has not come
        self._cut = b""  # what has come of its last character

    def read(self, data: bytes, *, begun: bool) -> bytes:
        """What the parser shall get for a piece. begun: the parser has a part of the line."""
        if self._cut:
            data, self._cut = self._cut + data, b""
        # Line ends before a request are none of its line.
        start = 0 if begun else len(data) - len(data.lstrip(b"\r\n"))
        end = data.find(b"\n", start)
        self.open = end < 0
        line = data[start:] if self.open else data[start:end]
        if line.isascii():
            return data
        if self.open:
            line = self._whole_characters(line)
            if not line and not begun:
                self._cut = b""
                return data  # no request begins so
            return data[:start] + in_ascii(line)
        return data[:start] + in_ascii(line) + data[end:]

    def _whole_characters(self, line: bytes) -> bytes:
        """Without the first bytes of a character whose others are to come; they are kept."""
        try:
            line.decode()
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data":
                self._cut = line[error.start :]
                return line[: error.start]
        return line
