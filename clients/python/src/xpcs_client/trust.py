"""Which central is trusted before it is shown the token: one that the system or a given authority vouches for, or the one key that is pinned."""

import base64
import hashlib
import re
import ssl
from typing import Optional, Tuple

from .errors import XpcsError

_PIN = re.compile(r"sha256/[A-Za-z0-9+/]{43}=")
#: Place of the public key in the first part of a certificate, where that begins with its version and where it does not.
_KEY_PLACE_WITH_VERSION, _KEY_PLACE = 6, 5
_VERSION_TAG = 0xA0


def is_pin(text: str) -> bool:
    """True for ``sha256/`` and the digest in base64."""
    return _PIN.fullmatch(text) is not None


def _element(der: bytes, at: int) -> Tuple[int, int, int]:
    """The DER element at ``at``: its tag, and where its content begins and ends."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(der[start : start + size], "big"), start + size
    if start + length > len(der):
        raise ValueError("a certificate that ends too early")
    return tag, start, start + length


def pin_of(certificate: bytes) -> str:
    """The pin of a certificate in DER: the SHA-256 of its public key, so that a renewed certificate of the same key still fits."""
    try:
        _, at, _ = _element(certificate, 0)
        _, at, _ = _element(certificate, at)
        for _ in range(_KEY_PLACE_WITH_VERSION if certificate[at] == _VERSION_TAG else _KEY_PLACE):
            at = _element(certificate, at)[2]
        key = certificate[at : _element(certificate, at)[2]]
    except (IndexError, ValueError):
        raise XpcsError("PERMISSION_DENIED", "the certificate that central shows cannot be read") from None
    return "sha256/" + base64.b64encode(hashlib.sha256(key).digest()).decode("ascii")


def tls_context(ca: Optional[str], pin: Optional[str]) -> ssl.SSLContext:
    """TLS 1.2 or newer.

    :param ca: certificates (PEM) of authorities, in place of the system's
    :param pin: then certificates are not checked, and ``check_pin`` must follow
    :raises XpcsError: INVALID_ARGUMENT ``ca`` holds no certificate
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if pin is not None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca is not None:
        try:
            context.load_verify_locations(cadata=ca)
        except (ssl.SSLError, ValueError) as error:
            raise XpcsError("INVALID_ARGUMENT", f"ca holds no certificate (PEM): {error}") from None
    else:
        context.load_default_certs()
    return context


def check_pin(certificate: Optional[bytes], pin: str, url: str) -> None:
    """
    :raises XpcsError: PERMISSION_DENIED the key is another one
    """
    shown = "none" if certificate is None else pin_of(certificate)
    if shown == pin:
        return
    raise XpcsError(
        "PERMISSION_DENIED",
        f"{url} shows the key {shown}, and {pin} is pinned: somebody is in between, or central has a new key; ask its operator, and never just change the pin",
    )
