# Targets that no rule makes are answered with near ones.
# Needs: all other rules.
# Makes: no files.

import itertools
import math

from snakemake.cli import get_argument_parser
from snakemake.io import get_wildcard_constraints, strip_wildcard_constraints

PLAIN = re.compile(r"(?:[\w-]|\\.)+(?:\|(?:[\w-]|\\.)+)*")  # a constraint that `one_of` made
MOST_FILES = 5_000  # of one pattern; of one with more it is the pattern that is near or not


def refuse_unknown_targets():
    """Stop where the command line names what no rule makes.

    Snakemake would say no more than that there is no rule.
    """
    for target in _asked_for():
        path = target if os.path.isabs(target) else os.path.relpath(target)
        made = any(rule.is_producer(path) for rule in workflow.rules)
        if not (workflow.is_rule(target) or made):
            named = [rule.name for rule in workflow.rules if not rule.output]
            stop(
                InputError(
                    "no rule makes the target",
                    found=target,
                    expected=f"a file that one makes, or {', '.join(named)}",
                    fix=did_you_mean(os.path.relpath(target), _targets(), most=3),
                )
            )


def _asked_for():
    """Rules and files that the command line of this process names.

    The workflow itself learns them after the Snakefile is read.
    """
    started = {"bin/snakemake", "snakemake/__main__.py"}
    if not workflow.is_main_process or "/".join(Path(sys.argv[0]).parts[-2:]) not in started:
        return []
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    options, _ = get_argument_parser().parse_known_args(words[:end])
    named = [options.targets, options.forcerun, options.until, options.omit_from]
    return [*itertools.chain(*(some or () for some in named)), *words[end + 1 :]]


def _targets():
    """What could have been meant: rules, and the files that they make."""
    names = [rule.name for rule in workflow.rules]
    outputs = [str(file) for rule in workflow.rules for file in rule.output]
    return [*names, *itertools.chain.from_iterable(map(_files_of, outputs))]


def _files_of(pattern):
    """The files of a pattern, or the pattern without its constraints where they are too many."""
    values = {
        name: _values_of(name, constraint.pattern)
        for name, constraint in get_wildcard_constraints(pattern).items()
    }
    plain = strip_wildcard_constraints(pattern)
    if math.prod(map(len, values.values())) > MOST_FILES:
        return [plain]
    return expand(plain, **values)


def _values_of(name, constraint):
    if name == "point":
        return list(dict.fromkeys(itertools.chain(*map(points_of, MODALITY_TASKS))))
    if PLAIN.fullmatch(constraint):
        return re.sub(r"\\(.)", r"\1", constraint).split("|")
    return config["seeds"] if name == "seed" else ["0"]


refuse_unknown_targets()
