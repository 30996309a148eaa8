"""How a program ends when the disk does not take what it writes, and the logs that it keeps."""

import errno
import os
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from subprocess import PIPE

import pytest

from dynmm import program
from dynmm.errors import InputError
from training_programs import ENVIRONMENT


@pytest.fixture(autouse=True)
def handlers():
    """Those of this process, back in place after a program ran in it."""
    numbers = (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


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


def test_a_program_that_resumes_keeps_the_lines_of_every_attempt(tmp_path):
    """Though Snakemake removes the log before the next attempt, and another still writes."""
    path = tmp_path / "logs" / "text.seed0.log"
    code = f"""
import logging, sys
from argparse import Namespace
from pathlib import Path
from dynmm import program
def main(arguments):
    for line in sys.stdin:
        logging.getLogger("dynmm.x").info(line.strip())
        print(flush=True)
program.run(main, Namespace(log=Path({str(path)!r}), resume_dir=None))
"""
    writers = []
    for lines in (["first"], ["second", "second again"]):
        path.unlink(missing_ok=True)
        writers.append(
            subprocess.Popen(
                [sys.executable, "-c", code], text=True, env=ENVIRONMENT, stdin=PIPE, stdout=PIPE
            )
        )
        for line in lines:
            say(writers[-1], line)
    say(writers[0], "first, still there")
    for writer in writers:
        writer.communicate()
    assert told(path) == ["second", "second again"]
    every = ["first", "second", "second again", "first, still there"]
    assert told(program.attempts_log(path)) == every
    assert program.attempts_log(path).name == "text.seed0.attempts"


def say(writer, line):
    writer.stdin.write(f"{line}\n")
    writer.stdin.flush()
    writer.stdout.readline()


def told(path):
    return [line.split(" INFO ")[1] for line in path.read_text().splitlines()]


def test_a_program_that_does_not_resume_has_one_log(tmp_path):
    program.run(lambda arguments: None, Namespace(log=tmp_path / "log"))
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_what_a_file_holds_does_not_flood_the_message():
    text = str(InputError("wrong", key="k" * 5000, found="f" * 5000, expected="short", fix="Mend."))
    assert len(text) < 2200 and "kkk..." in text and "fff..." in text and text.endswith("Mend.")
