"""`restate whoami`."""

from restate.runtime.cli.output import Styled
from restate.runtime.cli.problems import RefusedError
from restate.runtime.cli.session import Session
from restate.runtime.cli.words import command


@command("whoami")
def whoami(session: Session) -> None:
    """Tell where the server is and whether it answers."""
    settings = session.settings
    session.admin.get("/health")
    try:
        version = session.admin.get("/version")
    except RefusedError:
        # Servers of the classic generation have no such route.
        version = {}
    advertised = version.get("ingress_endpoint")
    if session.json:
        session.out.json(
            {
                "environment": settings.environment,
                "admin_url": settings.admin_url,
                "ingress_url": settings.ingress_url,
                "advertised_ingress_url": advertised,
                "healthy": True,
                "server_version": version.get("version"),
            }
        )
        return
    file = f"{settings.config_file}{'' if settings.config_file.exists() else ' (does not exist)'}"
    session.out.pairs(
        [
            ("Admin base URL", settings.admin_url),
            ("Ingress base URL", settings.ingress_url),
            ("Advertised ingress", advertised),
            ("Environment", settings.environment),
            ("Configuration file", file),
            ("Server", Styled("healthy", "bold green")),
            ("Compatible with", version.get("version")),
        ]
    )


COMMAND = whoami
