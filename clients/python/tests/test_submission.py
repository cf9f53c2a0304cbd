"""Submissions in several calls, pins, addresses and settings: what needs no central."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from errors_of import code_of

from xpcs_client import command_job, connect, corr_job
from xpcs_client.errors import CODES, XpcsError, from_wire
from xpcs_client.link import Way, check_way
from xpcs_client.settings import find_settings
from xpcs_client.submission import CHARS_MAX, JOBS_MAX, in_chunks, names_places, with_known_parents
from xpcs_client.trust import check_pin, is_pin, pin_of


class Submissions(unittest.TestCase):
    def test_cut_by_number_and_by_size_always_the_same_way(self):
        small = [corr_job(f"/d/{at}", "/q", f"/o/{at}") for at in range(1201)]
        self.assertEqual([len(chunk) for chunk in in_chunks(small)], [JOBS_MAX, JOBS_MAX, 201])
        self.assertEqual(in_chunks(small), in_chunks(list(small)))
        large = [corr_job("/d", "/q", "/o", tags={"t": "é" * 200, "at": str(at), "more": "x" * 3000}) for at in range(300)]
        chunks = in_chunks(large)
        self.assertGreater(len(chunks), 2)
        self.assertEqual([job for chunk in chunks for job in chunk], large)
        self.assertTrue(all(len(str(chunk)) < 1.3 * CHARS_MAX for chunk in chunks))
        self.assertEqual(in_chunks([]), [])

    def test_parents_by_place(self):
        job = corr_job("/d", "/q", "/o", parents=["#0", "#2", "other", "#x"])
        self.assertTrue(names_places(job))
        self.assertEqual(with_known_parents(job, ["a", "b"])["parents"], ["a", "#0", "other", "#x"])
        self.assertEqual(job["parents"], ["#0", "#2", "other", "#x"])
        self.assertFalse(names_places(corr_job("/d", "/q", "/o", parents=["other"])))

    def test_paths_are_seen_from_here(self):
        job = corr_job("scan.bin", Path("qmap.hdf"), "../out.hdf", metadata="m", parts=["p"], tags={"a": "b"}, priority=3)
        self.assertEqual(job["work"]["input"], {"path": os.path.abspath("scan.bin")})
        self.assertEqual(job["work"]["out"], {"path": os.path.abspath("../out.hdf")})
        self.assertEqual(job["work"]["parts"], [{"path": os.path.abspath("p")}])
        self.assertEqual((job["priority"], job["tags"], job["attemptsMax"]), (3, {"a": "b"}, 3))
        self.assertEqual(command_job("solve", outputs={"result": "/r"})["work"]["outputs"], {"result": {"path": "/r"}})


class Addresses(unittest.TestCase):
    def test_refusals(self):
        pin = "sha256/" + "A" * 43 + "="
        cases = {
            ("http://a", None, False): "INVALID_ARGUMENT",
            ("ws://", None, False): "INVALID_ARGUMENT",
            ("wss://a:99999", None, False): "INVALID_ARGUMENT",
            ("ws://beamline:7878", None, False): "REFUSED",
            ("ws://127.0.0.1.evil.org:7878", None, False): "REFUSED",
            ("ws://beamline:7878", None, True): None,
            ("ws://127.0.0.1:1", None, False): None,
            ("ws://127.0.0.1:1", pin, False): "INVALID_ARGUMENT",
            ("wss://a", "sha256/short", False): "INVALID_ARGUMENT",
            ("wss://a", pin, False): None,
        }
        for (url, pinned, insecure), code in cases.items():
            self.assertEqual(code_of(lambda: check_way(Way(url, None, pinned, insecure))), code, url)

    def test_certificates_that_cannot_be_read(self):
        for der in (b"", b"\x30", b"\x30\x82\xff\xff", b"\x30\x03\x30\x01\x02", os.urandom(300)):
            self.assertEqual(code_of(lambda der=der: check_pin(der, "sha256/" + "A" * 43 + "=", "wss://a")), "PERMISSION_DENIED")
            try:
                self.assertTrue(is_pin(pin_of(der)))
            except XpcsError as error:
                self.assertEqual(error.code, "PERMISSION_DENIED")


class Settings(unittest.TestCase):
    def test_environment_then_file(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "xpcs").mkdir()
            file = Path(folder, "xpcs", "client.json")
            with mock.patch.dict(os.environ, {"XDG_CONFIG_HOME": folder}, clear=True):
                self.assertEqual(code_of(connect), "INVALID_ARGUMENT")
                file.write_text('{"central": "wss://file:1", "token": "of the file", "pin": "sha256/x"}')
                self.assertEqual(find_settings()[:2] + find_settings()[3:4], ("wss://file:1", "of the file", "sha256/x"))
                os.environ["XPCS_CENTRAL"] = "ws://127.0.0.1:5"
                self.assertEqual(find_settings()[:2], ("ws://127.0.0.1:5", "of the file"))
                os.environ["XPCS_TOKEN_FILE"] = str(Path(folder, "token"))
                self.assertEqual(code_of(find_settings), "NOT_FOUND")
                Path(folder, "token").write_text("of a file\n")
                self.assertEqual(find_settings()[:2], ("ws://127.0.0.1:5", "of a file"))
                file.write_text("{")
                os.environ.pop("XPCS_TOKEN_FILE")
                self.assertEqual(code_of(find_settings), "INVALID_ARGUMENT")


class Errors(unittest.TestCase):
    def test_whatever_a_peer_sends_becomes_an_error_of_the_table(self):
        for value in (None, 3, [], {}, {"code": "NEW_CODE", "message": "m"}, {"code": 7}, {"code": ["x"]}, {"code": "REFUSED", "details": {"a": []}}):
            error = from_wire(value)
            self.assertIn(error.code, CODES)
            self.assertNotEqual(error.message, "")
        self.assertEqual(str(from_wire({"code": "REFUSED", "message": "m", "details": {"a": 1}})), "REFUSED: m")


if __name__ == "__main__":
    unittest.main()
