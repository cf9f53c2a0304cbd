"""The one error class and its closed code table; the same codes as everywhere in xpcs (docs/cli.md)."""

from typing import Any, Dict, Mapping, Optional, Union

Detail = Union[str, int, float, bool, None]

#: Whether the same call may be right later, by code: "yes", "after-delay", "counted" (another attempt of the job) or "no".
CODES: Dict[str, str] = {
    "INVALID_ARGUMENT": "no",
    "NOT_FOUND": "no",
    "ALREADY_EXISTS": "no",
    "UNSUPPORTED": "no",
    "CORRUPT_DATA": "no",
    "PERMISSION_DENIED": "no",
    "KEY_CONFLICT": "no",
    "STALE_LEASE": "no",
    "REFUSED": "no",
    "VERSION_MISMATCH": "no",
    "OVERLOADED": "after-delay",
    "UNAVAILABLE": "yes",
    "DEADLINE_EXCEEDED": "yes",
    "NATIVE_CRASHED": "counted",
    "OUT_OF_MEMORY": "counted",
    "WALLTIME_EXCEEDED": "counted",
    "COMMAND_FAILED": "counted",
    "IO_FAILED": "counted",
    "CHECKSUM_MISMATCH": "counted",
    "CANCELED": "no",
    "INTERNAL": "no",
}


class XpcsError(Exception):
    """What central, or the way to it, has to say. ``code`` is stable for ever, ``message`` is for a person."""

    def __init__(self, code: str, message: str, details: Optional[Mapping[str, Detail]] = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: Dict[str, Detail] = dict(details or {})

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    @property
    def repeatable(self) -> bool:
        """True when the same call may be right later."""
        return CODES.get(self.code) in ("yes", "after-delay")


def from_wire(value: Any) -> XpcsError:
    """What a peer sent as an error; a code that this version does not know becomes INTERNAL, with its message."""
    if not isinstance(value, dict):
        return XpcsError("INTERNAL", "the peer sent an error without a code")
    code, message, details = value.get("code"), value.get("message"), value.get("details")
    text = message if isinstance(message, str) else "the peer sent an error without a message"
    plain = isinstance(details, dict) and all(
        field is None or isinstance(field, (str, int, float, bool)) for field in details.values()
    )
    return XpcsError(code if isinstance(code, str) and code in CODES else "INTERNAL", text, details if plain else {})
