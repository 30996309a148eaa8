"""Downloads from a Google Drive folder, through the real gdown against a Drive on loopback."""

import hashlib
import pickle
import shutil
from pathlib import Path

import pytest
import yaml

import loopback_drive
from dynmm.data.download import patience
from dynmm.data.download.datasets import fetch_missing
from dynmm.data.download.drive import download_from_folder, is_drive_folder
from dynmm.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "https://drive.google.com/drive/folders/1A_folder-of-tests"
NAME = "data.pkl"
CONTENT = pickle.dumps(list(range(300_000)), 4)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate for loopback")
    return loopback_drive.make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def drive(certificate, monkeypatch):
    result = loopback_drive.LoopbackDrive()
    result.files[NAME] = CONTENT
    with loopback_drive.serve(result, *certificate) as proxy:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy)
        for name in ("NO_PROXY", "no_proxy", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
        yield result


def fetch(folder, **options):
    return download_from_folder(FOLDER, folder / NAME, **{"retries": 0, "pause": 0.01, **options})


def failure(folder, **options):
    """The message, after a look that no file of the name is there."""
    with pytest.raises(InputError) as error:
        fetch(folder, **options)
    assert not (folder / NAME).exists()
    text = str(error.value)
    assert f"by hand from {FOLDER}" in text and str(folder / NAME) in text
    return text


@pytest.mark.parametrize("confirm", [False, True])
def test_fetches_the_file_of_the_name(tmp_path, drive, confirm):
    drive.confirm, drive.files["other.pkl"] = confirm, b"other"
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert fetch(tmp_path / "raw", size=len(CONTENT), sha256=digest) is True
    assert [path.name for path in (tmp_path / "raw").iterdir()] == [NAME]
    assert (tmp_path / "raw" / NAME).read_bytes() == CONTENT


def test_a_finished_file_is_left_alone_and_asks_nobody(tmp_path, drive):
    (tmp_path / NAME).write_bytes(CONTENT)
    assert fetch(tmp_path, size=len(CONTENT)) is False
    assert drive.requests == []
    with pytest.raises(InputError, match="Move it away"):
        fetch(tmp_path, size=1)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_cut_connection_is_resumed(tmp_path, drive):
    drive.cut = 2
    assert fetch(tmp_path, retries=3) is True
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_later_call_continues(tmp_path, drive):
    drive.cut = 1
    failure(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) > 0
    assert fetch(tmp_path) is True
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_file_that_dribbles_is_given_up_and_kept(tmp_path, drive, monkeypatch):
    monkeypatch.setattr(patience, "WINDOW", 0.5)
    drive.cut = 1
    failure(tmp_path)
    drive.dribble = True
    assert "timeout: hardly a byte came (2 attempts" in failure(tmp_path, retries=1)
    kept = [path.stat().st_size for path in tmp_path.iterdir() if path.suffix == ".part"]
    assert len(kept) == 1 and kept[0] > 0
    drive.dribble = False
    assert fetch(tmp_path) is True
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_what_came_of_a_replaced_file_is_dropped(tmp_path, drive):
    drive.cut = 1
    failure(tmp_path)
    drive.number, drive.files[NAME] = 1, CONTENT[:1] + CONTENT[1:-1][::-1] + CONTENT[-1:]
    assert fetch(tmp_path) is True
    assert (tmp_path / NAME).read_bytes() == drive.files[NAME]


def test_an_empty_file_is_refused(tmp_path, drive):
    drive.files[NAME] = b""
    assert "an empty file" in failure(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_wrong_bytes(tmp_path, drive):
    text = failure(tmp_path, sha256="0" * 64)
    assert hashlib.sha256(CONTENT).hexdigest() in text
    assert list(tmp_path.iterdir()) == []
    assert str(len(CONTENT)) in failure(tmp_path, size=len(CONTENT) + 1)


@pytest.mark.parametrize("content", [CONTENT[:-1], b"<!DOCTYPE html>quota exceeded."])
def test_what_is_no_whole_pickle(tmp_path, drive, content):
    drive.files[NAME] = content
    assert ("a web page" if content.startswith(b"<") else "no whole pickle") in failure(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_the_file(tmp_path, drive):
    drive.files = {"something_else.pkl": CONTENT}
    assert "holds no data.pkl, but something_else.pkl" in failure(tmp_path)


def test_a_folder_that_is_gone(tmp_path, drive):
    drive.status = 404
    assert "404" in failure(tmp_path)


def test_no_network(tmp_path, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    text = failure(tmp_path, retries=1)
    assert "no connection (ProxyError) (2 attempts" in text


def test_addresses_of_folders():
    assert is_drive_folder(FOLDER)
    assert not is_drive_folder("https://drive.google.com/uc?id=1")


def test_the_described_sentiment_file_is_fetched_from_its_folder(tmp_path, drive):
    entry = yaml.safe_load((ROOT / "config" / "datasets.yaml").read_text())["mosei"]
    drive.files["mosei_senti_data.pkl"] = CONTENT
    assert fetch_missing(entry, tmp_path, retries=0, pause=0.01) == ["mosei_senti_data.pkl"]
    assert (tmp_path / "mosei_senti_data.pkl").read_bytes() == CONTENT
