import gc
import hashlib
import http.server
import re
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

import mmimdb_files
from dynmm.data.download.datasets import fetch_missing
from dynmm.data.download.ranged_file import BLOCK, NoRangesError, RangedFile
from dynmm.data.download.ranged_hdf5 import fetch_datasets
from dynmm.data.mmimdb.prepare import prepare
from dynmm.data.mmimdb.raw import RawMovies, check_movies
from dynmm.errors import InputError
from mmimdb_files import SPLITS

ROOT = Path(__file__).resolve().parents[1]
PATH = "/multimodal_imdb.hdf5"
ROWS = 3000
IMAGES = np.zeros((ROWS, 3, 16, 10), np.int32)  # most of the file, as in the true one


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves byte ranges of the server's content, as badly as the server object says."""

    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.requests.append(asked)
        if server.statuses:
            return self.send_error(server.statuses.pop(0))
        if self.path != PATH:
            return self.send_error(404)
        content, start, stop = server.content, 0, len(server.content)
        if asked and server.ranges:
            match = re.fullmatch(r"bytes=(\d+)-(\d*)", asked)
            start = int(match[1])
            stop = min(int(match[2]) + 1, stop) if match[2] else stop
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("ETag", hashlib.md5(content).hexdigest())
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        if stop - start > server.cut_above:
            stop = start + server.cut_above
            server.cuts_left -= 1
            if not server.cuts_left:
                server.cut_above = len(content)
        self.wfile.write(content[start:stop])
        server.sent += stop - start

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def no_collection():
    """h5py frees objects under the lock that it holds while it waits for the server's thread."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def server(tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as result:
        values = mmimdb_files.arrays(ROWS)
        raw = mmimdb_files.write(tmp_path / "raw.hdf5", values, extra={"images": IMAGES})
        result.handle_error = lambda *_: None  # a client that hangs up is no failure here
        result.values, result.content = values, raw.read_bytes()
        result.requests, result.statuses, result.sent, result.ranges = [], [], 0, True
        result.cut_above, result.cuts_left = len(result.content), 0
        result.address = f"http://127.0.0.1:{result.server_port}{PATH}"
        raw.unlink()
        thread = threading.Thread(target=result.serve_forever, args=(0.02,))
        thread.start()
        yield result
        result.shutdown()
        thread.join()


def replace(server, folder, values=None, **options):
    values = server.values if values is None else values
    path = mmimdb_files.write(folder / "raw.hdf5", values, **options)
    server.content = path.read_bytes()
    path.unlink()


def fetch(server, target, **options):
    known = {"retries": 2, "pause": 0.01, **options}
    return fetch_datasets(server.address, target, list(RawMovies.layout), check_movies, **known)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_fetches_the_wanted_ranges_alone(server, tmp_path):
    target = tmp_path / "deep" / "multimodal_imdb.hdf5"
    assert fetch(server, target) is True
    with h5py.File(target) as file:
        assert set(file) == set(RawMovies.layout)
        for key, value in server.values.items():
            assert file[key].dtype == value.dtype
            assert np.array_equal(file[key], value)
    wanted = sum(value.nbytes for value in server.values.values())
    assert server.sent < wanted + 6 * BLOCK < len(server.content) / 2
    assert names(target.parent) == [target.name]
    splits = {**SPLITS, "train": ROWS - SPLITS["dev"] - SPLITS["test"]}
    prepare(target, tmp_path / "out", {"splits": splits})


def test_a_finished_file_is_left_alone(server, tmp_path):
    target = mmimdb_files.write(tmp_path / "movies.hdf5", mmimdb_files.arrays())
    before = target.read_bytes()
    assert fetch(server, target) is False
    assert target.read_bytes() == before
    assert server.requests == []


def test_cut_connections_are_resumed(server, tmp_path):
    server.cut_above, server.cuts_left = BLOCK // 4, 5
    fetch(server, tmp_path / "movies.hdf5", retries=1)
    check_movies(tmp_path / "movies.hdf5")
    assert server.cuts_left == 0


def test_errors_of_the_server_are_tried_again(server, tmp_path):
    server.statuses = [503, 500]
    fetch(server, tmp_path / "movies.hdf5")
    assert server.requests[:3] == ["bytes=0-0"] * 3


def _fail_in_the_middle(server, target):
    """Leave the ranges of a download that died after the structure and half the image range."""
    original = Handler.do_GET
    wanted = server.values["vgg_features"].nbytes

    def dying(self):
        start, stop = map(int, re.findall(r"\d+", self.headers["Range"]))
        if stop - start + 1 == wanted:
            self.server.cut_above, self.server.cuts_left = wanted // 2, 1
        elif self.server.requests and server.cut_above == len(server.content) and server.dead:
            return self.send_error(503)
        result = original(self)
        server.dead = stop - start + 1 == wanted or server.dead
        return result

    server.dead = False
    Handler.do_GET = dying
    try:
        with pytest.raises(InputError) as caught:
            fetch(server, target, retries=0)
    finally:
        Handler.do_GET = original
    return str(caught.value)


def test_a_later_call_goes_on_where_the_last_one_died(server, tmp_path):
    target = tmp_path / "movies.hdf5"
    message = _fail_in_the_middle(server, target)
    assert str(target) in message and server.address in message
    assert names(tmp_path) == ["movies.hdf5.ranges", "movies.hdf5.ranges.json"]
    kept = (tmp_path / "movies.hdf5.ranges").stat().st_size
    assert kept > server.values["vgg_features"].nbytes // 4
    server.sent = 0
    fetch(server, target)
    check_movies(target)
    wanted = sum(value.nbytes for value in server.values.values())
    assert server.sent <= wanted - kept + 6 * BLOCK
    with h5py.File(target) as file:
        assert np.array_equal(file["vgg_features"], server.values["vgg_features"])
    assert names(tmp_path) == ["movies.hdf5"]


def test_stopped_while_it_is_put_together_it_fetches_nothing_again(server, tmp_path):
    def stop(path):
        raise KeyboardInterrupt

    target = tmp_path / "movies.hdf5"
    with pytest.raises(KeyboardInterrupt):
        fetch_datasets(server.address, target, list(RawMovies.layout), stop)
    assert names(tmp_path) == ["movies.hdf5.ranges", "movies.hdf5.ranges.json"]
    server.sent = 0
    fetch(server, target)
    check_movies(target)
    assert server.sent <= 6 * BLOCK and names(tmp_path) == ["movies.hdf5"]


def test_ranges_that_a_kill_left_beside_the_file_are_removed(server, tmp_path):
    fetch(server, tmp_path / "movies.hdf5")
    for left in ("movies.hdf5.ranges", "movies.hdf5.ranges.json"):
        (tmp_path / left).write_text("left")
    assert fetch(server, tmp_path / "movies.hdf5") is False
    assert names(tmp_path) == ["movies.hdf5"]


def test_ranges_of_another_version_are_dropped(server, tmp_path):
    target = tmp_path / "movies.hdf5"
    _fail_in_the_middle(server, target)
    values = {**server.values, "vgg_features": server.values["vgg_features"] + 1}
    replace(server, tmp_path, values, extra={"images": IMAGES})
    fetch(server, target)
    with h5py.File(target) as file:
        assert np.array_equal(file["vgg_features"], values["vgg_features"])


@pytest.mark.parametrize(
    ("ranges", "options"), [(False, {}), (True, {"chunks": True, "compression": "gzip"})]
)
def test_the_whole_file_is_fetched_where_ranges_will_not_do(ranges, options, server, tmp_path):
    server.ranges = ranges
    replace(server, tmp_path, **options)
    target = tmp_path / "movies.hdf5"
    assert fetch(server, target) is True
    assert target.read_bytes() == server.content
    assert names(tmp_path) == ["movies.hdf5"]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize(
    ("key", "value", "part"),
    [("features", np.inf, "features[7, 1]"), ("genres", 3, "genres[7, 1]")],
)
def test_wrong_content_is_refused_and_leaves_nothing(key, value, part, ranges, server, tmp_path):
    server.ranges = ranges
    values = {**server.values, key: server.values[key].copy()}
    values[key][7, 1] = value
    replace(server, tmp_path, values)
    with pytest.raises(InputError) as caught:
        fetch(server, tmp_path / "movies.hdf5")
    assert part in str(caught.value)
    assert names(tmp_path) == []


def test_a_mirror_is_tried_and_the_message_says_what_to_do_by_hand(server, tmp_path):
    wrong = server.address.replace(PATH, "/gone.hdf5")
    target = tmp_path / "movies.hdf5"
    options = {"retries": 1, "pause": 0.01}
    assert fetch_datasets(
        [wrong, server.address], target, list(RawMovies.layout), check_movies, **options
    )
    target.unlink()
    with pytest.raises(InputError) as caught:
        fetch_datasets([wrong], target, list(RawMovies.layout), check_movies, **options)
    assert all(part in str(caught.value) for part in (wrong, "404", str(target), "by hand"))
    assert names(tmp_path) == []


def test_a_remote_file_that_is_no_hdf5_is_refused(server, tmp_path):
    server.content = b"not HDF5" * 1000
    with pytest.raises(InputError, match="not a readable HDF5"):
        fetch(server, tmp_path / "movies.hdf5")
    assert names(tmp_path) == []


def test_a_ranged_file_reads_like_a_local_one(server):
    file = RangedFile(server.address)
    assert file.size == len(server.content)
    for start, count in ((0, 10), (BLOCK - 3, 7), (5, 2 * BLOCK), (len(server.content) - 4, 9)):
        file.seek(start)
        assert file.read(count) == server.content[start : start + count]
    file.seek(-8, 2)
    assert file.read() == server.content[-8:]
    sent = server.sent
    file.seek(BLOCK - 3)
    file.read(7)
    assert server.sent == sent


def test_a_server_without_ranges_is_told_apart(server):
    server.ranges = False
    with pytest.raises(NoRangesError):
        RangedFile(server.address)


def test_of_the_described_film_file_the_read_data_sets_alone_are_fetched(server, tmp_path):
    entry = yaml.safe_load((ROOT / "config" / "datasets.yaml").read_text())["mmimdb"]
    name = "multimodal_imdb.hdf5"
    entry["files"][name]["addresses"] = [server.address]
    assert fetch_missing(entry, tmp_path, retries=0, pause=0.01) == [name]
    with h5py.File(tmp_path / name) as file:
        assert set(file) == set(RawMovies.layout)
    assert server.sent < len(server.content) / 2
