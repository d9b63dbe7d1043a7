"""Where a Nexus is found, and what is needed to talk to it: a home on this machine, or an address and a token."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from nexus.client.problems import UnreachableError

CONNECT_SECONDS = 10.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Place(msgspec.Struct, frozen=True):
    """One Nexus: an address with a token, or a unix socket, where the system says who asks."""

    url: str
    token: str = ""
    socket: str = ""

    def __str__(self) -> str:
        """Where it is, without the token."""
        return self.socket or self.url

    __repr__ = __str__

    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def context(self) -> ssl.SSLContext | None:
        """How its certificate is checked; None on this machine, which needs none. Raises UnreachableError."""
        address = urlsplit(self.url)
        if address.scheme != "https":
            if not self.socket and address.hostname not in LOOPBACK:
                raise UnreachableError(
                    f"{self.url} would send the token over a network for all to read: go through ssh"
                )
            return None
        return ssl.create_default_context()


def of_home(home: Path | str | None = None) -> Place:
    """The Nexus of a home on this machine; by default the one that runs this program, or that of this folder.

    Raises ConfigurationError where there is no such home, UnreachableError where nothing answers in it.
    """
    given = os.environ.get("NEXUS_SOCKET", "")
    if home is None and given:
        return Place("http://nexus", socket=given)
    from nexus.config.files import find, home_for
    from nexus.platforms.listen import api_socket

    found = home_for(find(Path.cwd()), home or os.environ.get("NEXUS_HOME"))
    socket = api_socket(found)
    if socket is not None and socket.exists():
        return Place("http://nexus", socket=str(socket))
    if socket is None and (url := _url_of(found)):
        return Place(url, (found / "token").read_text().strip())
    raise UnreachableError(f"no web API answers in {found}; start Nexus with `nexus up -d`")


def _url_of(home: Path) -> str | None:
    from projections import views
    from projections.history import History

    return views.url(History(home).at())


def of_file(path: Path | str) -> Place:
    """The Nexus of a connection file, as `nexus token add NAME --file FILE` writes it; raises UnreachableError."""
    try:
        content = Path(path).expanduser().read_bytes()
        return msgspec.json.decode(content, type=Place)
    except OSError as error:
        raise UnreachableError(f"{path} can't be read: {(error.strerror or str(error)).lower()}") from error
    except msgspec.DecodeError as error:
        raise UnreachableError(
            f"{path} is no connection file: {error}; `nexus token add NAME --file FILE` makes one"
        ) from error
