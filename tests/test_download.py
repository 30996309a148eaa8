import contextlib
import hashlib
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from dynmm.data.download.datasets import ENTRY_KEYS, FILE_KEYS, FILE_MAY_SAY, fetch_missing
from dynmm.data.download.transfer import download
from dynmm.errors import InputError

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2
SOURCE = Path(__file__).resolve().parents[1] / "src"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT; what the server object says decides how badly."""

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.requests.append((self.path, asked))
        if server.statuses:
            return self.send_error(server.statuses.pop(0))
        content = server.contents.get(self.path)
        if content is None:
            return self.send_error(404)
        start = 0
        if asked and server.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", server.content_type)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = server.cuts.pop(0) if server.cuts else len(content)
        with contextlib.suppress(ConnectionError):  # the client may be killed
            for position in range(start, end, 65536):
                self.wfile.write(content[position : min(position + 65536, end)])
                time.sleep(server.delay)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as result:
        result.contents, result.requests = {"/file.bin": CONTENT}, []
        result.ranges, result.content_type, result.delay = True, "application/octet-stream", 0
        result.cuts, result.statuses = [], []
        result.address = f"http://127.0.0.1:{result.server_port}"
        thread = threading.Thread(target=result.serve_forever, args=(0.02,))
        thread.start()
        yield result
        result.shutdown()
        thread.join()


def fetch(server, target, **options):
    known = {"size": len(CONTENT), "sha256": SHA256, "retries": 2, "pause": 0.01}
    return download(f"{server.address}/file.bin", target, **{**known, **options})


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_fetches_and_leaves_nothing_else(server, tmp_path):
    assert fetch(server, tmp_path / "deep" / "file.bin") is True
    assert (tmp_path / "deep" / "file.bin").read_bytes() == CONTENT
    assert files(tmp_path / "deep") == ["file.bin"]
    assert server.requests == [("/file.bin", None)]


def test_cut_connections_are_resumed_where_they_broke(server, tmp_path):
    server.cuts = [HALF, HALF + 65536]
    fetch(server, tmp_path / "file.bin")
    assert [asked for _, asked in server.requests] == [
        None,
        f"bytes={HALF}-",
        f"bytes={HALF + 65536}-",
    ]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_progress_refreshes_the_attempts(server, tmp_path):
    server.cuts = [len(CONTENT) * k // 8 for k in range(1, 8)]
    fetch(server, tmp_path / "file.bin", retries=1)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_wrong_bytes_fail_the_checksum_and_are_dropped(server, tmp_path):
    server.contents["/file.bin"] = CONTENT[:-1] + b"x"
    with pytest.raises(InputError, match=f"wrong content.*instead of {SHA256}") as caught:
        fetch(server, tmp_path / "file.bin")
    assert f"save it as {tmp_path / 'file.bin'}" in str(caught.value)
    assert files(tmp_path) == []


def test_md5_alone_is_checked_too(server, tmp_path):
    with pytest.raises(InputError, match=r"wrong content, md5 [0-9a-f]{32} instead of 00"):
        fetch(server, tmp_path / "file.bin", sha256=None, md5="00")
    fetch(server, tmp_path / "file.bin", sha256=None, md5=hashlib.md5(CONTENT).hexdigest())


def test_a_wrong_start_of_the_part_file_is_replaced(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"?" * HALF)
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [f"bytes={HALF}-", None]


def test_wrong_length_is_refused_before_the_transfer(server, tmp_path):
    with pytest.raises(InputError, match=f"has {len(CONTENT)} bytes instead of 7"):
        fetch(server, tmp_path / "file.bin", size=7)
    assert files(tmp_path) == []


def test_404_is_asked_once_and_says_what_to_do(server, tmp_path):
    del server.contents["/file.bin"]
    with pytest.raises(InputError) as caught:
        fetch(server, tmp_path / "file.bin")
    message = str(caught.value)
    address = f"{server.address}/file.bin"
    assert f"{address}: HTTP 404" in message
    assert f"Fetch it by hand from {address} and save it as {tmp_path / 'file.bin'}" in message
    assert len(server.requests) == 1
    assert files(tmp_path) == []


def test_mirror_is_used_and_every_failure_is_named(server, tmp_path):
    mirrors = [f"{server.address}/gone.bin", f"{server.address}/file.bin"]
    download(mirrors, tmp_path / "file.bin", sha256=SHA256, pause=0.01)
    assert [path for path, _ in server.requests] == ["/gone.bin", "/file.bin"]
    mirrors[1] = "http://127.0.0.1:9/file.bin"
    with pytest.raises(InputError) as caught:
        download(mirrors, tmp_path / "other.bin", retries=1, pause=0.01)
    assert all(mirror in caught.value.found for mirror in mirrors)


def test_busy_server_is_asked_again(server, tmp_path):
    server.statuses = [503, 500]
    fetch(server, tmp_path / "file.bin")
    assert len(server.requests) == 3


def test_retries_end(server, tmp_path):
    server.statuses = [503] * 10
    with pytest.raises(InputError, match=r"HTTP 503.*3 attempts"):
        fetch(server, tmp_path / "file.bin")
    assert len(server.requests) == 3


def test_server_without_ranges_starts_over(server, tmp_path):
    server.ranges, server.cuts = False, [HALF]
    fetch(server, tmp_path / "file.bin")
    assert [asked for _, asked in server.requests] == [None, f"bytes={HALF}-"]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_finished_file_is_left_alone(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(CONTENT)
    before = (tmp_path / "file.bin").stat()
    assert fetch(server, tmp_path / "file.bin") is False
    assert server.requests == []
    assert (tmp_path / "file.bin").stat().st_mtime_ns == before.st_mtime_ns


def test_what_a_kill_left_beside_a_finished_file_is_removed(server, tmp_path):
    fetch(server, tmp_path / "file.bin")
    for left in ("file.bin.part", "file.bin.part.json"):
        (tmp_path / left).write_text("left")
    assert fetch(server, tmp_path / "file.bin") is False
    assert files(tmp_path) == ["file.bin"]


def test_another_file_of_this_name_is_named_and_kept(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"mine")
    with pytest.raises(InputError, match="found: 4 bytes"):
        fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == b"mine"
    assert server.requests == []


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_complete_part_file_is_only_checked(server, tmp_path, size):
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    fetch(server, tmp_path / "file.bin", size=size)
    assert files(tmp_path) == ["file.bin"]
    assert len(server.requests) == (1 if size is None else 0)


def test_part_file_longer_than_the_file_starts_over(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT + b"more")
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_web_page_is_not_taken_for_the_file(server, tmp_path):
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(InputError, match="web page"):
        download(f"{server.address}/file.bin", tmp_path / "file.bin", pause=0.01)
    assert files(tmp_path) == []


def test_killed_in_the_middle_then_resumed(server, tmp_path):
    server.delay = 0.05
    program = (
        "import sys\nfrom dynmm.data.download.transfer import download\n"
        "download(sys.argv[1], sys.argv[2])"
    )
    victim = subprocess.Popen(
        [sys.executable, "-c", program, f"{server.address}/file.bin", tmp_path / "file.bin"],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    part = tmp_path / "file.bin.part"
    deadline = time.monotonic() + 600  # seconds, for a loaded machine
    while not (part.exists() and part.stat().st_size):
        assert time.monotonic() < deadline, "nothing arrived"
        time.sleep(0.01)
    with pytest.raises(InputError, match="another process"):
        fetch(server, tmp_path / "file.bin")
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    arrived = part.stat().st_size
    assert 0 < arrived < len(CONTENT)
    assert files(tmp_path) == ["file.bin.part", "file.bin.part.json"]
    server.delay = 0
    fetch(server, tmp_path / "file.bin")
    assert server.requests[-1] == ("/file.bin", f"bytes={arrived}-")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def entry(server):
    names = {"there.bin": "/there.bin", "file.bin": "/file.bin", "gone.bin": "/gone.bin"}
    return {
        "name": "a data set",
        "page": "https://example.org/page",
        "licence": "free",
        "files": {
            name: {
                "addresses": [f"{server.address}{path}"],
                "bytes": None,
                "md5": None,
                "sha256": None,
                "by_hand": f"Ask for {name}.",
            }
            for name, path in names.items()
        },
    }


def test_program_fetches_only_what_is_missing_and_names_every_failure(server, tmp_path):
    (tmp_path / "there.bin").write_bytes(b"mine")
    del server.contents["/file.bin"]
    server.contents["/other.bin"] = CONTENT
    described = entry(server)
    described["files"]["file.bin"]["addresses"].append(f"{server.address}/other.bin")
    program = SOURCE.parent / "workflow" / "scripts" / "download_raw.py"
    command = [sys.executable, program, "--task", "nyuv2", "--raw-dir", tmp_path]
    done = subprocess.run(
        [*command, "--config", json.dumps(described)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert files(tmp_path) == ["file.bin", "there.bin"]
    assert [path for path, _ in server.requests] == ["/file.bin", "/other.bin", "/gone.bin"]
    message = done.stderr[done.stderr.index("error:") :]
    assert f"save it as {tmp_path / 'gone.bin'}. Ask for gone.bin. Page: https://exa" in message
    assert "Traceback" not in done.stderr


def test_unreachable_host_is_said_in_short(tmp_path):
    with pytest.raises(InputError) as caught:
        download("http://127.0.0.1:9/a", tmp_path / "a", retries=0)
    assert caught.value.found.startswith("http://127.0.0.1:9/a: ")
    assert "onnection refused" in caught.value.found
    assert "object at" not in caught.value.found


@pytest.mark.parametrize("spoil", ["drop", "add"])
def test_malformed_description_is_refused(server, tmp_path, spoil):
    described = entry(server)
    if spoil == "drop":
        del described["files"]["file.bin"]["md5"]
    else:
        described["files"]["file.bin"]["md5sum"] = None
    with pytest.raises(InputError, match=r"datasets\.yaml; key: file\.bin; .*expected.*md5"):
        fetch_missing(described, tmp_path, ["file.bin"])
    assert server.requests == []


def test_described_data_sets_are_complete():
    described = yaml.safe_load((SOURCE.parent / "config" / "datasets.yaml").read_text())
    for entry in described.values():
        assert set(entry) == ENTRY_KEYS
        for source in entry["files"].values():
            assert set(source) - FILE_MAY_SAY == FILE_KEYS
            assert all(address.startswith("http") for address in source["addresses"])
            assert source["sha256"] is None or len(source["sha256"]) == 64
    labeled = described["nyuv2"]["files"]["nyu_depth_v2_labeled.mat"]
    assert labeled["bytes"] == 2972037809
