"""
The layout of event blocks (docs/stream-protocol.md), as a source needs it: its own blocks as bytes, and what receivers send as values. Pure; little-endian.
"""

import struct
from typing import NamedTuple, Union

from .errors import XpcsError

_MAGIC = 0x42455058
_VERSION = 1
_HEAD = struct.Struct("<IBBHQ")
_HEADER, _EVENTS, _DROPPED, _END, _OPEN, _CREDIT, _STOP = 1, 2, 3, 4, 16, 17, 18
#: Of one event: frame after the block's first in bits 63-44, pixel in 43-16, count in 15-0.
EVENT_BYTES = 8
#: Of one block; frames are not cut.
EVENTS_MAX = (1024 * 1024 - 32) // EVENT_BYTES
#: Credit that a receiver may have.
CREDITS_MAX = 65_536
#: Why frames are gone.
NO_CREDIT, DETECTOR, NOT_HELD = 1, 2, 3


class Header(NamedTuple):
    """What a stream is, before its first block."""

    rows: int
    columns: int
    frame_time_s: float  #: 0: not known
    first_counter: int  #: the counter at the first frame
    stream_id: bytes  #: 16 bytes, one run of one source
    name: str


class Open(NamedTuple):
    """A receiver's first message: the block that it wants next, the frame at which that begins, and its credit."""

    sequence: int
    frame: int
    credits: int


class Credit(NamedTuple):
    """More blocks that a receiver takes."""

    credits: int


class Stop(NamedTuple):
    """A receiver wants no more."""


def _block(kind: int, sequence: int, body: bytes) -> bytes:
    return _HEAD.pack(_MAGIC, _VERSION, kind, 0, sequence) + body


def header_block(header: Header) -> bytes:
    """The first message of a source. The counter does not go round."""
    name = header.name.encode("utf-8")[:256]
    body = struct.pack("<IIdIIQQ", header.rows, header.columns, header.frame_time_s, 0, len(name), header.first_counter, 0)
    return _block(_HEADER, 0, body + header.stream_id + struct.pack("<I", 0) + name)


def events_block(sequence: int, counter: int, frames: int, words: bytes) -> bytes:
    """All photons of ``frames`` frames from ``counter`` on."""
    return _block(_EVENTS, sequence, struct.pack("<QII", counter, frames, len(words) // EVENT_BYTES) + words)


def dropped_block(sequence: int, counter: int, frames: int, blocks: int, reason: int) -> bytes:
    """Frames that will not come, in place of ``blocks`` blocks."""
    return _block(_DROPPED, sequence, struct.pack("<QQII", counter, frames, blocks, reason))


def end_block(sequence: int, frames: int, events: int) -> bytes:
    """The end; ``frames`` with those that are gone."""
    return _block(_END, sequence, struct.pack("<QQ", frames, events))


def read_message(message: Union[bytes, str]) -> Union[Open, Credit, Stop]:
    """
    What a receiver sent.

    :raises XpcsError: CORRUPT_DATA it is none of its messages · UNSUPPORTED another version
    """
    if not isinstance(message, bytes) or len(message) < _HEAD.size:
        raise XpcsError("CORRUPT_DATA", "a receiver sent something that is no event block")
    magic, version, kind, reserved, _sequence = _HEAD.unpack_from(message)
    if magic != _MAGIC or reserved != 0:
        raise XpcsError("CORRUPT_DATA", "a receiver sent something that does not begin as an event block")
    if version != _VERSION:
        raise XpcsError("UNSUPPORTED", f"a receiver speaks version {version} of the stream protocol, this is {_VERSION}")
    body = message[_HEAD.size :]
    if kind == _OPEN and len(body) == 24:
        sequence, frame, credits, _ = struct.unpack("<QQII", body)
        return Open(sequence, frame, _some(credits))
    if kind == _CREDIT and len(body) == 8:
        return Credit(_some(struct.unpack("<II", body)[0]))
    if kind == _STOP and len(body) == 0:
        return Stop()
    raise XpcsError("CORRUPT_DATA", f"a receiver sent a block of kind {kind} with {len(message)} bytes")


def _some(credits: int) -> int:
    if not 1 <= credits <= CREDITS_MAX:
        raise XpcsError("CORRUPT_DATA", f"a receiver grants {credits} blocks")
    return credits
