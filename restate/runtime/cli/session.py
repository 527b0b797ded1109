"""What one call of the program knows: its options, where the server is, and how to show things."""

import functools
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Concatenate, ParamSpec

import attrs
import click

from restate.runtime.cli import settings
from restate.runtime.cli.admin import Admin
from restate.runtime.cli.output import Output, clean
from restate.runtime.cli.problems import CommandError, UnreachableError
from restate.runtime.cli.times import TimeFormat, age, moment

P = ParamSpec("P")

_NO = ("", "0", "false", "no", "off")
"""What people set a variable to that is not meant to be set."""


@attrs.define
class Session:
    """Options may stand before or after the verb; the last one given holds."""

    yes: bool = attrs.field(factory=lambda: os.environ.get("CI", "").lower() not in _NO)
    json: bool = False
    quiet: bool = False
    borders: bool = False
    verify_tls: bool = True
    time_format: TimeFormat = "human"
    connect_timeout_ms: int = 3_000
    request_timeout_ms: int = 13_000
    environment: str | None = None
    _admin: Admin | None = None
    _out: Output | None = None
    _held_notes: list[str] | None = None
    """Remarks on a picture that is being made."""

    @functools.cached_property
    def settings(self) -> settings.Settings:
        return settings.load(self.environment, os.environ)

    @property
    def admin(self) -> Admin:
        """The connection to the server."""
        if self._admin is None:
            self._admin = Admin(
                self.settings.admin_url,
                token=self.settings.token,
                connect_timeout_s=self.connect_timeout_ms / 1000,
                request_timeout_s=self.request_timeout_ms / 1000,
                verify_tls=self.verify_tls,
            )
        return self._admin

    def close(self) -> None:
        if self._admin is not None:
            self._admin.close()

    @property
    def out(self) -> Output:
        """Standard output."""
        if self._out is None:
            # Empty, it does not count: https://no-color.org
            self._out = Output(
                sys.stdout,
                rich=sys.stdout.isatty(),
                colours=not os.environ.get("NO_COLOR"),
                borders=self.borders,
            )
        return self._out

    def note(self, text: str) -> None:
        """A remark for people, on standard error, so that what scripts read stays clean."""
        if self._held_notes is not None:
            self._held_notes.append(text)
        elif not self.quiet:
            click.echo(clean(text), err=True)

    def confirm(self, question: str) -> None:
        """Go on only if the user, or --yes, says so. CommandError otherwise."""
        if self.yes:
            return
        if not sys.stdin.isatty():
            raise CommandError(f"{question} Nobody is there to answer; pass --yes to do it.")
        if not click.confirm(clean(question), err=True):
            raise CommandError("nothing was changed")

    def moment(self, text: str | None) -> str | None:
        """A timestamp of the server in the chosen format, and how long ago it was."""
        return None if text is None else moment(text, self.admin.now, self.time_format)

    def age(self, text: str | None) -> str | None:
        """The same, short, for tables."""
        return None if text is None else age(text, self.admin.now, self.time_format)

    @property
    def now(self) -> datetime:
        return self.admin.now

    @contextmanager
    def picture(self) -> Iterator[None]:
        """Collect what is shown, and show it at once on a cleared screen."""
        shown = self.out
        text = io.StringIO()
        notes = self._held_notes = []
        # Tables are fitted to the real terminal; only their text is held back.
        self._out = shown.onto(text)
        try:
            yield
        finally:
            self._out, self._held_notes = shown, None
        shown.clear()
        sys.stdout.write(text.getvalue())
        sys.stdout.flush()
        for note in notes:
            self.note(note)


def _remember(convert: Callable[[Any], Any] = lambda value: value) -> Callable[..., None]:
    """A callback that keeps an option which was really given in the session, wherever it stood."""

    def remember(context: click.Context, option: click.Parameter, value: Any) -> None:
        name = str(option.name)
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            setattr(context.ensure_object(Session), name, convert(value))

    return remember


_COMMON = (
    ("-y", "--yes", {"is_flag": True, "help": "Answer yes to confirmations; also where $CI is set."}, None),
    ("--json", {"is_flag": True, "help": "Print JSON, for scripts."}, None),
    ("-q", "--quiet", {"is_flag": True, "help": "No remarks on standard error."}, None),
    (
        "--table-style",
        "borders",
        {"type": click.Choice(["compact", "borders"]), "help": "How tables look on a terminal."},
        lambda value: value == "borders",
    ),
    (
        "--time-format",
        {"type": click.Choice(["human", "iso8601", "rfc2822"]), "help": "How points in time are written."},
        None,
    ),
    (
        "--connect-timeout",
        "connect_timeout_ms",
        {"type": click.IntRange(1), "metavar": "MS", "help": "Give up connecting after it.  [default: 3000]"},
        None,
    ),
    (
        "--request-timeout",
        "request_timeout_ms",
        {"type": click.IntRange(1), "metavar": "MS", "help": "Give up waiting after it.  [default: 13000]"},
        None,
    ),
    (
        "--insecure-skip-tls-verify",
        "verify_tls",
        {"is_flag": True, "help": "Accept any certificate."},
        lambda value: not value,
    ),
    (
        "-e",
        "--environment",
        {"help": "Section of the configuration file; also $RESTATE_ENVIRONMENT."},
        None,
    ),
)
"""(names..., click's settings, how the session keeps the value)."""


def common_options() -> list[click.Parameter]:
    """The options that every command has, and every group, so that they may stand anywhere."""
    made: list[click.Parameter] = []
    for *names, attributes, convert in _COMMON:
        callback = _remember() if convert is None else _remember(convert)
        made.append(click.Option(names, **attributes, expose_value=False, callback=callback))
    return made


def watchable(
    function: Callable[Concatenate[Session, P], None],
) -> Callable[Concatenate[Session, P], None]:
    """Give a command the options -w and -n, and repeat it until the user stops it."""

    @click.option("-w", "--watch", is_flag=True, help="Show it again and again.")
    @click.option(
        "-n",
        "interval_s",
        type=click.FloatRange(0.1),
        default=1.0,
        show_default=True,
        metavar="SECONDS",
        help="How often.",
    )
    @functools.wraps(function)
    def watched(session: Session, /, *args: P.args, **kwargs: P.kwargs) -> None:
        watch, interval_s = kwargs.pop("watch"), kwargs.pop("interval_s")
        if not watch:
            return function(session, *args, **kwargs)
        try:
            while True:
                with session.picture():
                    try:
                        function(session, *args, **kwargs)
                    except UnreachableError as error:
                        # A server that is restarted comes back; who watches wants to see that.
                        session.out.line(error.message)
                time.sleep(float(str(interval_s)))
        except KeyboardInterrupt:
            return None

    return watched
