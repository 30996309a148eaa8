"""Damage to raw files and to all that stages leave: each ends in one message, or in true values.

python tests/attack_files.py [--cases N] [--seed S] [--case I]

A case is one damage to one file of a sound folder, which is then read. It ends in an InputError
(refused), or with values that can be true (accepted: a flipped pixel of a raw picture, a space in a
JSON file; of a run, the numbers of one that nobody stopped). Everything else is a fault: another
error, a hang, an end of the process, a value that cannot be. Case I of a seed is the same whatever
else runs: --case I does it alone and shows where it fails.
"""

import argparse
import collections
import faulthandler
import logging
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import numpy as np  # noqa: E402 (all of these are found by the line above)
import torch  # noqa: E402

from damaged_files import SUBJECTS  # noqa: E402
from dynmm.errors import InputError  # noqa: E402
from mutations import BYTES, mutations_of  # noqa: E402

CASES = 10_000
SECONDS = 60  # of one case, on a loaded machine
MEMORY = 4 << 30  # bytes beyond what the process has
REFUSED, ACCEPTED = "refused", "accepted"


class Attack:
    """All cases of one seed.

    Args:
        folder: where the sound folders lie, and copies of them are damaged.
        seed: of the cases.
    """

    def __init__(self, folder, seed):
        self.folder, self.seed, self.targets = Path(folder), seed, []
        for number, subject in enumerate(SUBJECTS):
            sound = self.folder / f"sound{number}"
            sound.mkdir()
            subject.make(sound)
            files = sorted(path for path in sound.glob(subject.files) if path.is_file())
            assert files, subject.name
            subject.read(shutil.copytree(sound, self.folder / "copy"), sound)
            shutil.rmtree(self.folder / "copy")
            self.targets += [(subject, sound, path.relative_to(sound)) for path in files]

    def plan(self, case):
        """(subject, sound folder, file, damage, generator) of a case."""
        rng = np.random.default_rng([self.seed, case])
        # each file in turn, in another order for each round
        order = np.random.default_rng([self.seed, case // len(self.targets)])
        place = order.permutation(len(self.targets))[case % len(self.targets)]
        subject, sound, file = self.targets[place]
        damages = mutations_of(file) if subject.forged else BYTES
        return subject, sound, file, damages[rng.integers(len(damages))], rng

    def run(self, case):
        """Do a case; the outcome: REFUSED, ACCEPTED or a fault in words."""
        subject, sound, file, damage, rng = self.plan(case)
        copy = shutil.copytree(sound, self.folder / f"case{case}")
        try:
            damage(rng, copy / file)
            subject.read(copy, sound)
        except InputError as error:
            text = str(error)
            return REFUSED if len(text) < 2000 else f"a message of {len(text)} characters"
        finally:
            shutil.rmtree(copy)
        return ACCEPTED

    def named(self, case):
        """A case in words."""
        subject, _, file, damage, _ = self.plan(case)
        return f"case {case} of seed {self.seed}: {subject.name}, {file}, {damage.__name__}"


def _work(attack, cases, pipe):
    """Do cases one after the other and tell of each; the end of a process of its own."""
    quiet()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, most))
    for case in cases:
        try:
            outcome = attack.run(case)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            outcome = f"{type(error).__name__} at {where}: {str(error)[:200]}"
        pipe.send((case, outcome))
    pipe.close()


def outcomes(attack, cases):
    """Yield (case, outcome), in processes that may end or hang."""
    waiting, context = list(cases), multiprocessing.get_context("fork")
    while waiting:
        ours, theirs = context.Pipe(duplex=False)
        worker = context.Process(target=_work, args=(attack, waiting, theirs))
        worker.start()
        theirs.close()
        fault = None
        while waiting:
            if not ours.poll(SECONDS):
                fault = f"hangs for more than {SECONDS} s"
                break
            try:
                yield ours.recv()
            except EOFError:
                worker.join()
                fault = f"the process ended ({worker.exitcode})"
                break
            waiting.pop(0)
        worker.kill()
        worker.join()
        if fault:
            yield waiting.pop(0), fault


def quiet():
    """No warnings, no log of what the damaged files say, no stack of a process that ends."""
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    torch.set_num_threads(1)


def attack_files(cases, seed, folder):
    """(counts by outcome, faults in words) of the cases 0 to `cases` - 1 of a seed."""
    attack, counts, faults = Attack(folder, seed), collections.Counter(), []
    for case, outcome in outcomes(attack, range(cases)):
        known = outcome in (REFUSED, ACCEPTED)
        counts[outcome if known else "fault"] += 1
        if not known:
            faults.append(f"{attack.named(case)}: {outcome}")
            print(faults[-1], file=sys.stderr, flush=True)
    return counts, faults


def main(options):
    """Do what the command line says; exits with 1 where there is a fault."""
    os.nice(5)
    with tempfile.TemporaryDirectory() as folder:
        if options.case is not None:
            attack = Attack(folder, options.seed)
            print(attack.named(options.case))
            print(attack.run(options.case))
            return
        counts, faults = attack_files(options.cases, options.seed, folder)
    print(f"{options.cases} cases: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    sys.exit(bool(faults))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=CASES, help=f"how many (default: {CASES})")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--case", type=int, help="this one alone, with its traceback")
    main(parser.parse_args())
