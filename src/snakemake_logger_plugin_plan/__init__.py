"""`snakemake --dry-run --logger plan`: what a run would cost, on one screen.

Snakemake finds a logger by the name of its package and hands over every job of a dry run. What is
made of them is the business of `dynmm.planning`, which is imported at the end alone: Snakemake
imports this package in every command.
"""

import contextlib
import io
import json
import logging
import re
import sys
import traceback
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

NOTHING = "Nothing to be done"
APOSTROPHE = """'"'"'"""  # within a quoted word, as shlex.quote writes it
WORD = rf"'(?:[^']|{APOSTROPHE})*'|\S+"


class LogHandler(LogHandlerBase):
    """Collects the jobs of a dry run and prints their plan, where Snakemake ended without an error.

    Its warnings and errors go to the terminal as ever.
    """

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self):
        if not self.common_settings.dryrun:
            raise SystemExit("error: --logger plan shows what a dry run plans: add --dry-run.")
        self._jobs, self._announced, self._base = [], None, Path()

    def emit(self, record):
        """Keep what belongs to the plan; see `logging.Handler`."""
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO:
            self._jobs.append(record)
        elif event == LogEvent.RUN_INFO:
            self._announced = record.stats["total"]
        elif event == LogEvent.WORKFLOW_STARTED:
            self._base = Path(record.basedir)
        elif record.levelno >= logging.WARNING:
            print(self.format(record), file=sys.stderr)
        elif str(record.msg).startswith(NOTHING):
            self._announced = 0

    def close(self):
        """Print the plan, once, if all jobs that were announced have come."""
        if self._announced == len(self._jobs):
            self._announced = None
            self._print()
        super().close()

    def _print(self):
        from dynmm.errors import InputError
        from dynmm.planning.plan import plan

        try:
            print(plan(map(_job, self._jobs), *_means(), self._base))
        except InputError as error:
            raise SystemExit(f"error: {error}") from error
        except Exception as error:
            traceback.print_exc()  # Snakemake drops what a logger raises while it closes
            raise SystemExit(1) from error


def _job(record):
    """What a record says of a job, as keyword arguments of `dynmm.planning.jobs.Job`."""
    resources = dict(record.resources.items())
    return {
        "rule": record.rule_name,
        "inputs": tuple(record.input),
        "outputs": tuple(record.output),
        "threads": record.threads,
        "gpus": resources.get("gpu", 0),
        "limit": 60.0 * resources.get("runtime", 0),
        "benchmark": record.benchmark,
        "logs": tuple(record.log),
        "wildcards": dict(record.wildcards),
        "config": json.loads(_option(record, "--config") or "{}"),
        "resume_dir": _option(record, "--resume-dir"),
        "reason": record.reason,
    }


def _option(record, name):
    """The word behind an option of a job's command, or None; shlex takes milliseconds a command."""
    found = re.search(rf" {name} ({WORD})", record.shellcmd or "")
    word = found and found[1]
    return word[1:-1].replace(APOSTROPHE, "'") if word and word.startswith("'") else word


def _means():
    """Cores and jobs on a GPU at a time, of this very command and its profiles; None: no bound.

    A profile's number of GPUs counts where jobs run on this machine and it shows one.
    """
    from snakemake.cli import parse_args

    from dynmm.gpu_presence import gpu_in_sight

    with contextlib.redirect_stderr(io.StringIO()):  # it names the profile once more
        _, asked = parse_args(sys.argv[1:])
    gpus = asked.resources["gpu"].value if "gpu" in asked.resources else None
    here = asked.executor in (None, "local")
    named = any(word.startswith("gpu=") for word in sys.argv)
    return asked.cores, 0 if here and not named and not gpu_in_sight() else gpus
