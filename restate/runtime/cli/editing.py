"""Let the user change a text in an editor."""

import os

import click

from restate.runtime.cli.problems import CommandError


def edit(text: str, suffix: str) -> str:
    """The text as the user left it. suffix: of the file's name, from which editors know its kind.

    The editor is $RESTATE_EDITOR, else what click finds ($VISUAL, $EDITOR, ...). CommandError if it fails, or if the
    user leaves without saving.
    """
    try:
        # Restored by hand if need be: editors differ in whether they write an unchanged file.
        edited = click.edit(
            text, editor=os.environ.get("RESTATE_EDITOR"), extension=suffix, require_save=False
        )
    except click.ClickException as error:
        raise CommandError(error.message) from error
    return text if edited is None else edited
