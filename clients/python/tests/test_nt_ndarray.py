"""NTNDArrays as photons, without PVAccess: types, counts, pixels without a reading, and what is refused."""

import struct
import unittest

from errors_of import raised

try:
    import numpy as np

    from xpcs_client.nt_ndarray import frame_of
except ImportError:
    np = None


def image(values, key="ushortValue", columns=3, rows=2, unique_id=7, **more):
    """As PvaPy gives it: the union is a pair of the chosen field and the types."""
    size = {"offset": 0, "binning": 1, "reverse": False}
    dimensions = [{"size": columns, "fullSize": columns, **size}, {"size": rows, "fullSize": rows, **size}]
    update = {"uniqueId": unique_id, "dimension": dimensions, "codec": {"name": "", "parameters": ()}, "value": ({key: values}, {key: []})}
    update["attribute"] = [{"name": "ColorMode", "value": ({"value": 0},)}]
    return {**update, **more}


def events(frame):
    words = struct.unpack(f"<{len(frame.words) // 8}Q", frame.words)
    return [(word >> 44, word >> 16 & 0xFFFFFFF, word & 0xFFFF) for word in words]


@unittest.skipIf(np is None, "numpy is not here")
class NtNdArray(unittest.TestCase):
    def test_photons_are_row_major_and_the_first_dimension_is_columns(self):
        frame = frame_of(image(np.array([0, 2, 0, 0, 0, 9], dtype="uint16")))
        self.assertEqual((frame.unique_id, frame.rows, frame.columns, frame.unread), (7, 2, 3, 0))
        self.assertEqual(events(frame), [(0, 1, 2), (0, 5, 9)])

    def test_every_type_of_counts(self):
        for key, kind in [("ubyteValue", "uint8"), ("byteValue", "int8"), ("shortValue", "int16"), ("uintValue", "uint32"), ("intValue", "int32"), ("ulongValue", "uint64"), ("longValue", "int64")]:
            self.assertEqual(events(frame_of(image(np.array([1, 0, 0, 0, 0, 4], dtype=kind), key))), [(0, 0, 1), (0, 5, 4)], key)

    def test_no_reading_counts_as_nothing_and_is_counted(self):
        frame = frame_of(image(np.array([65535, 1, 0, 0, 0, 65534], dtype="uint16")))
        self.assertEqual((events(frame), frame.unread), ([(0, 1, 1), (0, 5, 65534)], 1))
        frame = frame_of(image(np.array([-1, 1, 0, -2, 0, 2], dtype="int32"), "intValue"))
        self.assertEqual((events(frame), frame.unread), ([(0, 1, 1), (0, 5, 2)], 2))

    def test_a_count_beyond_a_word_becomes_events_that_add_up(self):
        frame = frame_of(image(np.array([0, 200_000, 65_535, 65_536, 0, 131_070], dtype="uint32"), "uintValue"))
        total = {}
        for _, pixel, count in events(frame):
            total[pixel] = total.get(pixel, 0) + count
        self.assertEqual(total, {1: 200_000, 2: 65_535, 3: 65_536, 5: 131_070})
        self.assertEqual([pixel for _, pixel, _ in events(frame)], sorted(pixel for _, pixel, _ in events(frame)))

    def test_what_is_no_frame_of_counts_is_refused_with_the_way_out(self):
        plain = np.zeros(6, dtype="uint16")
        three = [{"size": 3}, {"size": 2}, {"size": 3}]
        for update, code, text in [
            (image(plain, codec={"name": "bslz4"}), "UNSUPPORTED", "compressed with bslz4"),
            (image(np.zeros(6, dtype="float32"), "floatValue"), "UNSUPPORTED", "floatValue"),
            (image(plain, dimension=three), "UNSUPPORTED", "[3, 2, 3]"),
            (image(plain, attribute=[{"name": "ColorMode", "value": ({"value": 2},)}]), "UNSUPPORTED", "colour mode 2"),
            (image(plain[:5]), "CORRUPT_DATA", "5 numbers"),
            (image(plain, value=({},)), "CORRUPT_DATA", "no NTNDArray"),
            ({"value": 3.5}, "CORRUPT_DATA", "uniqueId"),
            (image(np.ones(600 * 300, dtype="uint16"), columns=600, rows=300), "UNSUPPORTED", "180000 pixels"),
        ]:
            error = raised(lambda update=update: frame_of(update))
            self.assertEqual(error.code, code)
            self.assertIn(text, error.message)
