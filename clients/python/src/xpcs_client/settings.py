"""Where central is, which token to show and whom to trust, as the commands find it: the environment, then the person's settings file."""

import json
import os
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional

from .errors import XpcsError


class Settings(NamedTuple):
    central: str
    token: str
    ca: Optional[str]
    pin: Optional[str]
    insecure: bool


def _path() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "xpcs" / "client.json"


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise XpcsError("NOT_FOUND", f"{what} cannot be read: {error}") from None


def _from_file(path: Path) -> Dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found = json.loads(_read(path, "the settings file"))
        if not isinstance(found, dict):
            raise ValueError("it is no object")
        return found
    except ValueError as error:
        raise XpcsError("INVALID_ARGUMENT", f'{path} must hold {{"central": URL, "token": TOKEN}}: {error}') from None


def find_settings(central: Optional[str] = None, token: Optional[str] = None) -> Settings:
    """What is given, then ``XPCS_CENTRAL``, ``XPCS_TOKEN`` (or ``XPCS_TOKEN_FILE``), ``XPCS_PIN`` and ``XPCS_CA``, then client.json.

    :raises XpcsError: INVALID_ARGUMENT address or token are nowhere to be found, or the file is damaged · NOT_FOUND a file that is named is not there
    """
    environ = os.environ
    central = central or environ.get("XPCS_CENTRAL")
    token = token or environ.get("XPCS_TOKEN")
    if not token and environ.get("XPCS_TOKEN_FILE"):
        token = _read(Path(environ["XPCS_TOKEN_FILE"]), "the token file").strip()
    path = _path()
    stored = {} if central and token else _from_file(path)
    central = central or stored.get("central")
    token = token or stored.get("token")
    if not central:
        raise XpcsError("INVALID_ARGUMENT", f"where is central? Give its address, set XPCS_CENTRAL, or write it to {path}")
    if not token:
        raise XpcsError("INVALID_ARGUMENT", f"which token? Give one, set XPCS_TOKEN, or write it to {path}")
    ca = environ.get("XPCS_CA") or stored.get("ca")
    return Settings(
        central,
        token,
        _read(Path(ca), "the file of certificates") if ca else None,
        environ.get("XPCS_PIN") or stored.get("pin"),
        stored.get("insecure") is True,
    )
