"""
One NTNDArray as photons: areaDetector's image as PVAccess has it (EPICS Normative Types, NTNDArray), in the form in which PvaPy gives it. Pure, but for
numpy. Takes what a detector that counts photons sends: whole numbers, two dimensions, no compression.
"""

from typing import Any, Dict, Mapping, NamedTuple

import numpy as np

from .errors import XpcsError
from .event_blocks import EVENTS_MAX

#: The fields of the union ``value`` that hold counts.
_COUNTS: Dict[str, "np.dtype[Any]"] = {
    "ubyteValue": np.dtype("uint8"),
    "byteValue": np.dtype("int8"),
    "ushortValue": np.dtype("uint16"),
    "shortValue": np.dtype("int16"),
    "uintValue": np.dtype("uint32"),
    "intValue": np.dtype("int32"),
    "ulongValue": np.dtype("uint64"),
    "longValue": np.dtype("int64"),
}
_COUNT_MAX = 0xFFFF


class Frame(NamedTuple):
    """The photons of one image."""

    unique_id: int
    rows: int
    columns: int
    words: bytes  #: as event blocks have them, frame 0 (event_blocks.EVENT_BYTES each)
    unread: int  #: pixels without a reading: negative, or the largest value of an unsigned type; they count as 0


def has_image(update: Mapping[str, Any]) -> bool:
    """False for what a channel has before its first image: no dimensions, or a union that holds nothing. What is no NTNDArray has one here: ``frame_of`` says why."""
    try:
        union = update["value"]
        if isinstance(union, (tuple, list)) and len(union) > 0:
            union = union[0]
        return len(update["dimension"]) > 0 and (union is None or len(union) > 0)
    except (KeyError, TypeError):
        return True


def frame_of(update: Mapping[str, Any]) -> Frame:
    """
    Reads an update: ``uniqueId``, ``dimension`` (the first is the fast one: columns), ``codec``, ``value``, ``attribute``.

    :raises XpcsError: UNSUPPORTED compressed, in colour, of another number of dimensions or no whole numbers; more photons than a block takes ·
        CORRUPT_DATA a field is missing, or the numbers are not as many as the dimensions say
    """
    try:
        unique_id = int(update["uniqueId"])
        sizes = [int(dimension["size"]) for dimension in update["dimension"]]
        codec = str(update["codec"]["name"]) if "codec" in update else ""
        union = update["value"]
        key, values = next(iter((union[0] if isinstance(union, (tuple, list)) else union).items()))
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, StopIteration) as error:
        raise XpcsError("CORRUPT_DATA", f"this update is no NTNDArray: {type(error).__name__} {error}") from None
    name = f"frame {unique_id}"
    if unique_id < 0:
        raise XpcsError("CORRUPT_DATA", f"{name} has a negative number")
    if codec != "":
        raise XpcsError("UNSUPPORTED", f"{name} is compressed with {codec}: let the IOC send it plain (NDPluginPva in front of NDPluginCodec, or a codec that decompresses)")
    if len(sizes) == 3 and sizes[2] == 1:
        sizes = sizes[:2]
    if len(sizes) != 2 or _color_mode(update) != 0:
        raise XpcsError("UNSUPPORTED", f"{name} has the dimensions {sizes} and the colour mode {_color_mode(update)}, not rows and columns of counts")
    columns, rows = sizes
    if key not in _COUNTS:
        raise XpcsError("UNSUPPORTED", f"{name} has its numbers in {key}, which are no counts")
    numbers = np.asarray(values, dtype=_COUNTS[key]).ravel()
    if numbers.size != rows * columns:
        raise XpcsError("CORRUPT_DATA", f"{name} has {numbers.size} numbers, and {rows} x {columns} pixels (rows x columns)")
    unread = _unread(numbers)
    pixel = np.flatnonzero(np.where(unread, 0, numbers) if unread.any() else numbers).astype(np.uint64)
    words = _words(pixel, numbers[pixel.astype(np.intp)].astype(np.uint64))
    if words.size > EVENTS_MAX:
        raise XpcsError("UNSUPPORTED", f"{name} has {words.size} pixels with photons; a block takes {EVENTS_MAX}: too dense for this protocol")
    return Frame(unique_id, rows, columns, words.astype("<u8").tobytes(), int(unread.sum()))


def _unread(numbers: "np.ndarray[Any, Any]") -> "np.ndarray[Any, np.dtype[np.bool_]]":
    kind = np.iinfo(numbers.dtype)
    return numbers < 0 if kind.min < 0 else numbers == kind.max


def _words(pixel: "np.ndarray[Any, Any]", count: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """A count beyond what a word holds becomes several events, which add up."""
    if count.size > 0 and int(count.max()) > _COUNT_MAX:
        times = (count + np.uint64(_COUNT_MAX - 1)) // np.uint64(_COUNT_MAX)
        if int(times.sum()) > EVENTS_MAX:
            raise XpcsError("UNSUPPORTED", f"a frame with counts up to {int(count.max())} takes more events than a block has")
        last = np.cumsum(times) - 1
        rest = count - (times - np.uint64(1)) * np.uint64(_COUNT_MAX)
        pixel = np.repeat(pixel, times.astype(np.intp))
        count = np.full(pixel.size, _COUNT_MAX, dtype=np.uint64)
        count[last.astype(np.intp)] = rest
    return (pixel << np.uint64(16)) | count


def _color_mode(update: Mapping[str, Any]) -> int:
    """0: mono, which is also meant where nothing is said."""
    for attribute in update["attribute"] if "attribute" in update else []:
        if attribute["name"] == "ColorMode":
            value = attribute["value"]
            value = value[0] if isinstance(value, (tuple, list)) else value
            return int(value["value"] if isinstance(value, Mapping) else value)
    return 0
