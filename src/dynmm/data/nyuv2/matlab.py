"""The small MATLAB files of NYU Depth V2, read where a forged one can do no harm.

SciPy's reader follows what a file says of itself: five thousand cells in one another (240 kB, and
packed much less) end its process, and a few bytes unpack to any size. So it runs in a child of
bounded memory.
"""

import contextlib
import faulthandler
import multiprocessing
import resource
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
from scipy.io import loadmat

MEMORY = 1 << 30  # bytes beyond what the process has; the true files take some 100,000
SHOWN = 200  # characters of what went wrong


class UnreadableError(Exception):
    """The file cannot be read; the message says why."""


def read_matlab(path, keys):
    """Vectors of numbers, and lists of texts, of a MATLAB 5 file.

    Args:
        path: of the file.
        keys: of the variables to read.

    Returns:
        key -> (n,) numbers, a list of texts (of cells that hold one each), or a few words on what
        stands there instead, which is neither; no entry where the key is missing.

    Raises:
        UnreadableError: SciPy cannot read it, or its process ended.
    """
    try:
        # a fork costs some milliseconds, a new interpreter a second
        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as child:
            found, problem = child.submit(_read, str(path), tuple(keys)).result()
    except BrokenProcessPool:
        found, problem = None, "the process that read it ended"
    if problem:
        raise UnreadableError(problem)
    return found


def _read(path, keys):
    """(what `read_matlab` returns, None), or (None, why not): all of it can be sent back."""
    faulthandler.disable()  # an end is foreseen: no stack on the terminal, no memory on the disk
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _bound_memory()
    try:
        matlab = loadmat(path, variable_names=keys)
        return {key: _plain(matlab[key]) for key in keys if key in matlab}, None
    # scipy raises what its parser stumbles on: ValueError, TypeError, zlib.error, struct.error...
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"[:SHOWN]


def _bound_memory():
    """Let this process have `MEMORY` more, where the system says how much it has."""
    with contextlib.suppress(FileNotFoundError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, most))


def _plain(value):
    if isinstance(value, np.ndarray) and value.dtype.kind in "uif":
        return value.ravel()
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        cells = [np.ravel(cell) for cell in value.ravel()]
        if all(cell.dtype.kind == "U" and len(cell) == 1 for cell in cells):
            return [str(cell[0]) for cell in cells]
    return f"{np.shape(value)} of {getattr(value, 'dtype', type(value).__name__)}"
