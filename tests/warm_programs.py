"""Programs in processes that have their libraries already: forked, so that none waits for imports.

What a program does from its first line on is the same. Run as a program, this is the process that
they are forked from: it reads a request a line, and answers with the process and its exit code.
"""

import atexit
import contextlib
import gc
import importlib.util
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class WarmPrograms:
    """Runs programs one at a time; a context manager.

    Args:
        environment: of all of them.
        names: of those in workflow/scripts/ whose libraries are needed.

    Attributes:
        process: id of the last one, and of the group of all that it started.
    """

    def __init__(self, environment, names):
        self._server = subprocess.Popen(
            [sys.executable, __file__, *names],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()

    def run(self, arguments, output, after=None, number=signal.SIGKILL, group=False, **environment):
        """Run a program to its end, or send it a signal.

        Args:
            arguments: the program's path and its options.
            output: file that receives what it prints.
            after: seconds from its start to the signal; None: it is left alone.
            number: of the signal.
            group: whether all processes that it started get the signal, too.
            environment: variables for this program.

        Returns:
            Exit code as of `subprocess`, seconds from its start to its end, seconds from the signal
            to its end (None: it ended before).
        """
        request = {"arguments": arguments, "output": str(output), "environment": environment}
        self._server.stdin.write(json.dumps(request).encode() + b"\n")
        self.process = process = int(self._server.stdout.readline())
        started, sent = time.monotonic(), None
        if after is not None and not select.select([self._server.stdout], [], [], after)[0]:
            with contextlib.suppress(ProcessLookupError):  # it ended just now
                (os.killpg if group else os.kill)(process, number)
                sent = time.monotonic()
        code, ended = int(self._server.stdout.readline()), time.monotonic()
        return code, ended - started, None if sent is None else ended - sent


def _serve():
    """Answer requests; returns one in a process that is to run it, None at the end."""
    for line in sys.stdin:
        process = os.fork()
        if not process:
            return json.loads(line)
        os.setpgid(process, process)
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
    return None


def _become(request):
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
        os.dup2(file, number)
    os.environ.update(request["environment"])
    sys.argv = request["arguments"]
    code = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
        code = 1
    # as the interpreter ends, but for taking its modules down one by one: that takes a second
    atexit._run_exitfuncs()
    sys.stderr.flush()
    os._exit(code or 0)


def _import(names):
    for name in names:
        path = ROOT / "workflow" / "scripts" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    from dynmm.tasks import load_evaluation, load_task
    from dynmm.vocabulary import MODALITY_TASKS

    for task in MODALITY_TASKS:
        load_task(task)
        load_evaluation(task)
    import torch._dynamo  # noqa: F401 (torch does, at the first step)

    gc.freeze()  # what was imported is not copied by every collection


if __name__ == "__main__":
    _import(sys.argv[1:])
    if (request := _serve()) is not None:
        _become(request)
