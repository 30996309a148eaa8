"""How a program ends when the disk does not take what it writes."""

import errno
import os
from argparse import Namespace
from pathlib import Path

import pytest

from dynmm import program


def end(main, capsys, **paths):
    with pytest.raises(SystemExit) as caught:
        program.run(main, Namespace(log=None, **paths))
    assert caught.value.code == 1
    return capsys.readouterr().err.strip()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")
def test_a_full_disk_is_one_message_with_what_is_free(tmp_path, capsys):
    def main(arguments):
        Path("/dev/full").write_text("x" * 100_000)

    said = end(main, capsys, out=tmp_path / "deep" / "out.csv")
    assert "\n" not in said and said.startswith(f"error: the disk refuses a file; file: {tmp_path}")
    assert os.strerror(errno.ENOSPC) in said and "bytes free. Mend that" in said


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_disk_that_refuses_is_one_message_with_the_file(tmp_path, capsys, number):
    def main(arguments):
        raise OSError(number, os.strerror(number), str(tmp_path / "out.csv"))

    said = end(main, capsys)
    assert "\n" not in said and str(tmp_path / "out.csv") in said
    assert os.strerror(number) in said


def test_another_error_keeps_its_traceback(capsys):
    def main(arguments):
        raise OSError(errno.EBADF, "x")

    assert "Traceback" in end(main, capsys)
