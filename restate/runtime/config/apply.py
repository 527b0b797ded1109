"""What of the configuration can be put into effect at any time, also while the server runs."""

from restate.runtime.config.tree import Config
from restate.runtime.telemetry import log


def configure_log(config: Config) -> None:
    """Filter, format and colours of the log."""
    settings = config.observability.log
    log.configure(settings.filter, settings.format, ansi=False if settings.disable_ansi_codes else None)
