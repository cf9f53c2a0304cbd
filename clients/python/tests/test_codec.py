"""Frames of the client: what it sends can be read by anybody, and what it is sent cannot do more than fail."""

import random
import unittest

import msgpack
from errors_of import code_of

from xpcs_client.codec import DEPTH_MAX, FRAME_BYTES_MAX, decode_frame, encode_frame

VALUE = {"id": "a", "type": "RAW", "value": {"jobs": [1, -7, 2.5, None, True, "é", b"\x00\x01"], "deep": [[{"x": [2**32 - 1]}]]}}


class Frames(unittest.TestCase):
    def test_back_and_forth(self):
        self.assertEqual(decode_frame(encode_frame(VALUE)), VALUE)
        self.assertEqual(encode_frame(VALUE)[0], 1)

    def test_whole_numbers_of_more_than_32_bits_go_as_floats(self):
        for number in (2**32, 2**53, -(2**31) - 1, 5_000_000_123):
            self.assertEqual(encode_frame(number)[1], 0xCB, number)
            self.assertEqual(decode_frame(encode_frame(number)), number)
        self.assertEqual(code_of(lambda: encode_frame(2**53 + 1)), "INVALID_ARGUMENT")

    def test_refuses_what_is_no_plain_data(self):
        deep = []
        for _ in range(DEPTH_MAX + 1):
            deep = [deep]
        for value in ({1: 2}, object(), {"a": {1, 2}}, "\udc80", deep, "x" * FRAME_BYTES_MAX, [2**64]):
            self.assertEqual(code_of(lambda value=value: encode_frame(value)), "INVALID_ARGUMENT")

    def test_truncated_at_every_byte(self):
        frame = encode_frame(VALUE)
        for length in range(len(frame)):
            self.assertEqual(code_of(lambda length=length: decode_frame(frame[:length])), "CORRUPT_DATA", length)

    def test_hostile(self):
        nested = b"\x91" * (DEPTH_MAX + 2) + b"\xc0"
        cases = {
            "another version": (b"\x02\xc0", "VERSION_MISMATCH"),
            "nothing": (b"\x01", "CORRUPT_DATA"),
            "more elements than bytes": (b"\x01\xdd\xff\xff\xff\xff", "CORRUPT_DATA"),
            "a map of four thousand million": (b"\x01\xdf\xff\xff\xff\xff", "CORRUPT_DATA"),
            "a text of four thousand million": (b"\x01\xdb\xff\xff\xff\xffx", "CORRUPT_DATA"),
            "bytes after the value": (b"\x01\xc0\xc0", "CORRUPT_DATA"),
            "a byte that starts no value": (b"\x01\xc1", "CORRUPT_DATA"),
            "a key that is no text": (b"\x01\x81\x01\x02", "CORRUPT_DATA"),
            "a key that is a list": (b"\x01\x81\x90\x02", "CORRUPT_DATA"),
            "no UTF-8": (b"\x01\xa1\xff", "CORRUPT_DATA"),
            "a time": (b"\x01\xd6\xff\x00\x00\x00\x00", "CORRUPT_DATA"),
            "an extension": (b"\x01\xd4\x05\x00", "CORRUPT_DATA"),
            "too deep": (b"\x01" + nested, "CORRUPT_DATA"),
            "very deep": (b"\x01" + b"\x91" * 500_000 + b"\xc0", "CORRUPT_DATA"),
            "very deep maps": (b"\x01" + b"\x81\xa0" * 300_000 + b"\xc0", "CORRUPT_DATA"),
            "too long": (b"\x01" + b"\xc0" * FRAME_BYTES_MAX, "CORRUPT_DATA"),
        }
        for name, (frame, code) in cases.items():
            self.assertEqual(code_of(lambda frame=frame: decode_frame(frame)), code, name)

    def test_what_javascript_has_and_python_has_not(self):
        self.assertEqual(decode_frame(b"\x01\x81\xa1a\xd4\x00\x00"), {"a": None})
        self.assertEqual(decode_frame(b"\x01" + msgpack.packb(msgpack.ExtType(0x74, b"\x01abc"))), b"abc")

    def test_random_bytes_and_flipped_bits(self):
        rng = random.Random(7)
        frame = encode_frame(VALUE)
        for _ in range(3000):
            hostile = bytearray(frame) if rng.random() < 0.7 else bytearray([1]) + bytearray(rng.randbytes(rng.randrange(60)))
            for _ in range(rng.randrange(1, 4)):
                hostile[rng.randrange(len(hostile))] = rng.randrange(256)
            self.assertIn(code_of(lambda: decode_frame(bytes(hostile))), (None, "CORRUPT_DATA", "VERSION_MISMATCH"))


if __name__ == "__main__":
    unittest.main()
