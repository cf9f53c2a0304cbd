"""Frame to bytes and back: one version byte, then one msgpack value of plain data (docs/wire.md)."""

import numbers
from typing import Any, Dict, Iterable, Tuple

import msgpack

from .errors import XpcsError

#: First byte of each frame.
FRAME_VERSION = 1
#: Bytes of one frame, both ways.
FRAME_BYTES_MAX = 1024 * 1024
#: Nesting of a decoded value.
DEPTH_MAX = 32

#: JavaScript has no ``undefined`` in msgpack: an extension of this type stands for it.
_UNDEFINED = 0x00
#: A typed array: one byte that says which, then its bytes.
_TYPED_ARRAY = 0x74
_UINT8_ARRAY = 1

_INT32_MIN, _UINT32_MAX = -(2**31), 2**32 - 1
_EXACT_MAX = 2**53


def _plain(value: Any, depth: int = 0) -> Any:
    """``value`` as the peer can read it: a whole number of more than 32 bits goes as a float, as in JavaScript."""
    if value is None or isinstance(value, (str, bool, float, bytes)):
        return value
    # Also the numbers of numpy.
    if isinstance(value, numbers.Integral):
        value = int(value)
        if _INT32_MIN <= value <= _UINT32_MAX:
            return value
        if abs(value) > _EXACT_MAX:
            raise XpcsError("INVALID_ARGUMENT", f"{value} is too large: whole numbers are exact up to 2^53")
        return float(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if depth >= DEPTH_MAX:
        raise XpcsError("INVALID_ARGUMENT", f"the message is nested deeper than {DEPTH_MAX}")
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise XpcsError("INVALID_ARGUMENT", f"{key!r} names a field, and only text does")
        return {key: _plain(item, depth + 1) for key, item in value.items()}
    raise XpcsError("INVALID_ARGUMENT", f"{type(value).__name__} is no plain data: {value!r}")


def encode_frame(value: Any) -> bytes:
    """Encodes one value of plain data.

    :raises XpcsError: INVALID_ARGUMENT it is no plain data, or has more than ``FRAME_BYTES_MAX``
    """
    try:
        frame = bytes([FRAME_VERSION]) + msgpack.packb(_plain(value), use_bin_type=True)
    except (UnicodeError, ValueError) as error:
        raise XpcsError("INVALID_ARGUMENT", f"the message cannot be sent: {error}") from None
    if len(frame) > FRAME_BYTES_MAX:
        raise XpcsError(
            "INVALID_ARGUMENT", f"the message has {len(frame)} bytes and a link carries at most {FRAME_BYTES_MAX}: send less at once"
        )
    return frame


def _extension(code: int, data: bytes) -> Any:
    if code == _UNDEFINED:
        return None
    if code == _TYPED_ARRAY and data[:1] == bytes([_UINT8_ARRAY]):
        return data[1:]
    raise ValueError(f"extension type 0x{code & 0xFF:x} is not allowed")


def _table(pairs: Iterable[Tuple[Any, Any]]) -> Dict[str, Any]:
    table = {}
    for key, item in pairs:
        if not isinstance(key, str):
            raise ValueError("a map key that is no text")
        table[key] = item
    return table


def _check(value: Any) -> None:
    """Nothing but plain data, not too deep. A walk of its own: recursion would let the peer choose its depth."""
    waiting = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, (list, dict)):
            if depth >= DEPTH_MAX and item:
                raise ValueError(f"nesting deeper than {DEPTH_MAX}")
            waiting.extend((child, depth + 1) for child in (item.values() if isinstance(item, dict) else item))
        elif isinstance(item, msgpack.Timestamp):
            raise ValueError("extension type 0xff is not allowed")


def decode_frame(frame: bytes) -> Any:
    """Decodes one frame.

    :raises XpcsError: CORRUPT_DATA too long, too deep, truncated, or no plain data · VERSION_MISMATCH another frame version
    """
    if len(frame) > FRAME_BYTES_MAX:
        raise XpcsError("CORRUPT_DATA", f"frame refused: {len(frame)} bytes, at most {FRAME_BYTES_MAX} are allowed")
    if len(frame) < 2:
        raise XpcsError("CORRUPT_DATA", f"frame refused: {len(frame)} bytes are no frame")
    if frame[0] != FRAME_VERSION:
        raise XpcsError(
            "VERSION_MISMATCH", f"frame version {frame[0]}, and this program speaks {FRAME_VERSION}: run the same version at both ends"
        )
    try:
        value = msgpack.unpackb(frame[1:], raw=False, object_pairs_hook=_table, ext_hook=_extension)
        _check(value)
        return value
    # What msgpack raises is ValueError, or of its own kinds; a hook's errors pass through.
    except (ValueError, TypeError, RecursionError, OverflowError, msgpack.UnpackException) as error:
        raise XpcsError("CORRUPT_DATA", f"frame refused: {error}") from None
