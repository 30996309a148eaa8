"""What every program of the workflow shares: its log, its errors, its exit code."""

import argparse
import errno
import json
import logging
import multiprocessing
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path

from dynmm.errors import InputError
from dynmm.stop_signals import Stopped, broke_off, ignore, listen

TAIL_LINES = 12
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def parser(description):
    """An argument parser with the options that every program has (--config, --log)."""
    result = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--config", type=_json_object, default={}, help="config slice as JSON")
    result.add_argument("--log", type=Path, help="file that receives the log (default: none)")
    return result


def training_parser(description):
    """As `parser`, with the options that every training has."""
    result = parser(description)
    result.add_argument("--name", required=True, help="shown with the progress")
    result.add_argument("--prepared", type=Path, required=True, help="manifest.json")
    result.add_argument("--seed", type=int, required=True)
    result.add_argument("--resume-dir", type=Path, required=True, help="keeps unfinished work")
    result.add_argument("--weights", type=Path, required=True, help="output, .safetensors")
    result.add_argument("--history", type=Path, required=True, help="output, .csv")
    result.add_argument("--training", type=Path, required=True, help="output, .json")
    return result


def run(main, arguments):
    """Call `main(arguments)` with logging set up; exit 1 with one message if it fails.

    SIGTERM, SIGUSR1 and Ctrl-C end the program with 128 and the signal's number; a training leaves
    a checkpoint first. The log file gets everything. The terminal gets the messages of level INFO
    and, when the program fails, the message of an InputError or the last lines of another error's
    traceback. A program that resumes (--resume-dir) also writes into `attempts_log`.
    """
    log = _start_logging(arguments.log, resumes=hasattr(arguments, "resume_dir"))
    listen()
    try:
        main(arguments)
    except (Exception, Stopped) as error:
        sys.exit(_say_why(error, log, arguments))
    finally:
        ignore()
        _end_children()


def _say_why(error, log, arguments):
    """Log why the program ends, while the error is handled; returns the exit code."""
    lines = traceback.format_exc().rstrip().splitlines()
    if not isinstance(error, InputError):
        log.debug("\n".join(lines))
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        log.error("error: %s", _unwritable(error, arguments))
        return 1
    if number := broke_off(error):
        name = signal.Signals(number).name
        log.error("stopped by %s: what is done is stored, the same command goes on there", name)
        return 128 + number
    if isinstance(error, InputError):
        log.error("error: %s", error)
        return 1
    tail = "\n".join(lines[-TAIL_LINES:])
    where = f" (whole traceback: {arguments.log})" if arguments.log else ""
    log.error("error: %s%s\n%s", type(error).__name__, where, tail)
    return 1


def _end_children():
    """End the processes that still load batches: nobody waits for what they load."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler raises where one of them ends
    for child in multiprocessing.active_children():
        child.kill()


def attempts_log(path):
    """The file beside a log that keeps the lines of every attempt, one below the other.

    Snakemake removes the log of an earlier attempt before the next, also where the earlier process
    still runs.
    """
    return path.with_suffix(".attempts")


def _unwritable(error, arguments):
    """One message for a disk that is full, read-only or forbids."""
    named = [Path(error.filename)] if error.filename else []
    named += [path for path in vars(arguments).values() if isinstance(path, Path)]
    folder = next((p for path in named for p in (path, *path.parents) if p.is_dir()), Path())
    return InputError(
        "the disk refuses a file",
        file=error.filename or folder,
        found=f"{os.strerror(error.errno)}; {shutil.disk_usage(folder).free} bytes free",
        fix="Mend that and run the same command: what is finished stays.",
    )


def _start_logging(path, resumes):
    log = logging.getLogger("dynmm")
    log.setLevel(logging.DEBUG)
    log.handlers.clear()
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.INFO)
    terminal.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(terminal)
    modes = {path: "w"} if path else {}
    if path and resumes:
        modes[attempts_log(path)] = "a"
    for name, mode in modes.items():
        name.parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(name, mode, encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
        log.addHandler(file)
    logging.captureWarnings(True)
    return log


def _json_object(text):
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("must be a JSON object")
    return value
