"""Servers that dribble, ask for a pause, change the file or send something else than it."""

import contextlib
import email.utils
import hashlib
import http.server
import re
import threading
import time

import pytest
import requests

from dynmm.data.download import patience
from dynmm.data.download.datasets import fetch_missing
from dynmm.data.download.patience import AddressError, Attempts, asked_pause
from dynmm.data.download.ranged_file import RangedFile
from dynmm.data.download.transfer import download
from dynmm.errors import InputError

CONTENT = bytes(range(256)) * 1024  # 256 KiB
OTHER = CONTENT[::-1]
HALF = len(CONTENT) // 2
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the server's content under its tag; `badly` is a list of what to do to an answer."""

    def do_GET(self):
        server = self.server
        asked, if_range = self.headers.get("Range"), self.headers.get("If-Range")
        server.requests.append((asked, if_range))
        how = server.badly.pop(0) if server.badly else {}
        content = how.get("content", server.content)
        if "status" in how:
            self.send_response(how["status"])
            return self._head(how, {"Content-Length": "0"})
        start, stop = 0, len(content)
        same = if_range in (None, server.tag) or how.get("ignores_if_range")
        if asked and same:
            start, end = re.fullmatch(r"bytes=(\d+)-(\d*)", asked).groups()
            start, stop = int(start), int(end) + 1 if end else stop
        self.send_response(206 if asked and same else 200)
        head = {"Content-Length": str(stop - start)}
        if asked and same:
            head["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
        if server.tag:
            head["ETag"] = server.tag
        self._head(how, head)
        stop = min(how.get("cut", stop), stop)
        with contextlib.suppress(ConnectionError):
            if "dribble" not in how:
                return self.wfile.write(content[start:stop])
            patient = min(start + 600, stop)  # a client that waits so long gets the rest
            for place in range(start, patient):
                self.wfile.write(content[place : place + 1])
                time.sleep(how["dribble"])
            self.wfile.write(content[patient:stop])

    def _head(self, how, head):
        for name, value in {**head, **how.get("head", {})}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as result:
        result.daemon_threads = True
        result.content, result.tag, result.requests, result.badly = CONTENT, '"one"', [], []
        result.address = f"http://127.0.0.1:{result.server_port}/file.bin"
        thread = threading.Thread(target=result.serve_forever, args=(0.02,))
        thread.start()
        yield result
        result.shutdown()
        thread.join()


def fetch(server, target, **options):
    return download(server.address, target, **{"retries": 2, "pause": 0.01, **options})


def left(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def hasty(monkeypatch):
    """Half a second in place of a minute."""
    monkeypatch.setattr(patience, "WINDOW", 0.5)


def test_a_server_that_dribbles_ends_in_a_message_and_the_part_stays(server, tmp_path, hasty):
    server.badly = [{"cut": HALF}, *[{"dribble": 0.01}] * 9]
    began = time.monotonic()
    with pytest.raises(InputError, match=r"timeout: \d+ bytes in \d+ s \(3 attempts"):
        fetch(server, tmp_path / "file.bin", sha256=SHA256)
    assert time.monotonic() - began < 20
    kept = (tmp_path / "file.bin.part").stat().st_size
    assert HALF < kept < HALF + 1000
    server.badly = []
    fetch(server, tmp_path / "file.bin", sha256=SHA256)
    assert server.requests[-1] == (f"bytes={kept}-", '"one"')
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_one_byte_a_request_is_no_progress(server, tmp_path):
    server.badly = [{"cut": place} for place in range(1, 50)]
    with pytest.raises(InputError, match="3 attempts without progress"):
        fetch(server, tmp_path / "file.bin")
    assert len(server.requests) == 3


def test_a_remote_file_that_dribbles_is_given_up(server, hasty):
    file = RangedFile(server.address, retries=1, pause=0.01)
    server.badly = [{"dribble": 0.01}] * 9
    with pytest.raises(AddressError, match=r"timeout: \d+ bytes"):
        file.read(1)


@pytest.mark.parametrize("status", [429, 503])
def test_the_pause_that_a_server_asks_for_is_kept(server, tmp_path, status):
    server.badly = [{"status": status, "head": {"Retry-After": "2"}}]
    began = time.monotonic()
    fetch(server, tmp_path / "file.bin")
    assert 2 <= time.monotonic() - began < 20
    assert len(server.requests) == 2


def test_a_longer_pause_than_is_reasonable_ends_the_address(server, tmp_path):
    server.badly = [{"status": 503, "head": {"Retry-After": "7200"}}]
    with pytest.raises(InputError, match="asks to come back in 7200 s"):
        fetch(server, tmp_path / "file.bin")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("30", 30, 30),
        (900, 600, 900),  # seconds from now, as a date
        (-900, 0, 0),
        ("soon", 0, 0),
        ("-5", 0, 0),
        (None, 0, 0),
    ],
)
def test_the_header_is_a_number_or_a_date(text, low, high):
    if isinstance(text, int):
        text = email.utils.formatdate(time.time() + text, usegmt=True)
    response = requests.Response()
    if text is not None:
        response.headers["Retry-After"] = text
    assert low <= asked_pause(response) <= high


def test_the_pause_doubles_and_is_bounded(monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    attempts = Attempts("x", retries=9, pause=1.0)
    for _ in range(9):
        attempts.failed(patience.AttemptError("no"), 0)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    attempts = Attempts("x", retries=9, pause=1.0)
    for _ in range(20):  # each brings enough
        attempts.failed(patience.AttemptError("no"), 10**9)
    assert waits[9:] == [1] * 20


def test_halves_of_two_versions_never_meet_though_nothing_is_published(server, tmp_path):
    server.badly = [{"cut": HALF}] + [{"status": 503}] * 9
    with pytest.raises(InputError):
        fetch(server, tmp_path / "file.bin")
    assert left(tmp_path) == ["file.bin.part", "file.bin.part.json"]
    server.badly, server.content, server.tag = [], OTHER, '"two"'
    fetch(server, tmp_path / "file.bin")
    assert server.requests[-1] == (f"bytes={HALF}-", '"one"')
    assert (tmp_path / "file.bin").read_bytes() == OTHER
    assert left(tmp_path) == ["file.bin"]


def test_a_server_that_ignores_if_range_is_found_out_by_its_tag(server, tmp_path):
    server.badly = [{"cut": HALF}, {"status": 503}, {"status": 503}, {"status": 503}]
    with pytest.raises(InputError):
        fetch(server, tmp_path / "file.bin")
    server.badly, server.content, server.tag = [{"ignores_if_range": True}], OTHER, '"two"'
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == OTHER


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_what_has_no_version_starts_over_unless_a_checksum_will_tell(server, tmp_path, tag):
    server.tag, server.badly = tag, [{"cut": HALF}]
    fetch(server, tmp_path / "first.bin")
    assert [asked for asked, _ in server.requests] == [None, None]
    server.requests.clear()
    server.badly = [{"cut": HALF}]
    fetch(server, tmp_path / "second.bin", sha256=SHA256)
    assert server.requests == [(None, None), (f"bytes={HALF}-", None)]
    for name in ("first.bin", "second.bin"):
        assert (tmp_path / name).read_bytes() == CONTENT


def test_a_part_of_a_mirror_is_not_continued_from_another(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"?" * HALF)
    (tmp_path / "file.bin.part.json").write_text(
        '{"address": "http://mirror/file.bin", "version": "\\"one\\""}'
    )
    fetch(server, tmp_path / "file.bin")
    assert server.requests == [(None, None)]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("note", ["", "[" * 100_000, "[]", '{"version": 7}', "\x00"])
def test_a_damaged_note_starts_over(server, tmp_path, note):
    (tmp_path / "file.bin.part").write_bytes(b"?" * HALF)
    (tmp_path / "file.bin.part.json").write_text(note)
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"content": b""}, "an empty file"),
        ({"content": b"\n <!DOCTYPE html><title>quota</title>"}, "a web page"),
        ({"content": b"<html><body>moved</body></html>"}, "a web page"),
        ({"head": {"Content-Length": None}, "cut": HALF}, "does not say how long the file is"),
        ({"head": {"Content-Encoding": "gzip"}}, r"sends the file packed \(gzip\)"),
        ({"head": {"Content-Type": "text/html"}}, "web page"),
    ],
)
def test_without_size_and_checksum_what_is_not_the_file_is_never_published(
    server, tmp_path, how, words
):
    server.badly = [how] * 9
    with pytest.raises(InputError, match=words):
        fetch(server, tmp_path / "file.bin")
    assert left(tmp_path) == []


def test_a_file_of_unknown_length_is_taken_where_a_checksum_vouches(server, tmp_path):
    server.badly = [{"head": {"Content-Length": None}}]
    fetch(server, tmp_path / "file.bin", sha256=SHA256)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", "..", "", "a\nb", 7, "."])
def test_a_name_that_leaves_the_folder_is_refused(server, tmp_path, name):
    source = {
        "addresses": [server.address],
        **dict.fromkeys(("bytes", "md5", "sha256")),
        "by_hand": "",
    }
    entry = {"name": "a", "page": "p", "licence": "l", "files": {name: source}}
    with pytest.raises(InputError, match="names of files, without folders"):
        fetch_missing(entry, tmp_path / "raw")
    assert not server.requests and left(tmp_path) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("addresses", []),
        ("addresses", "http://a/b"),
        ("addresses", ["file:///etc/passwd"]),
        ("addresses", [7]),
        ("bytes", "7"),
        ("bytes", -1),
        ("bytes", True),
        ("md5", "00"),
        ("md5", 12345678901234567890123456789012),
        ("sha256", "g" * 64),
    ],
)
def test_a_malformed_description_of_a_file_is_refused(server, tmp_path, key, value):
    source = {
        "addresses": [server.address],
        **dict.fromkeys(("bytes", "md5", "sha256")),
        "by_hand": "",
        key: value,
    }
    entry = {"name": "a", "page": "p", "licence": "l", "files": {"x.bin": source}}
    with pytest.raises(InputError, match=rf"key: x\.bin\.{key}"):
        fetch_missing(entry, tmp_path)
    assert not server.requests
