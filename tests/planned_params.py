"""What the rules make of configurations: params and inputs of every job, by Snakemake itself.

Run as a program in a folder of its own: reads one JSON object {"base": ..., "others": [...]} of
configurations, and prints a list: the rules of the first, and for each of the others the jobs that
differ from its jobs, or why it is refused. No plan is made of them: that takes a second each, and
there are hundreds.
"""

import functools
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import snakemake.api
import snakemake.workflow
from snakemake.jobs import Job
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

from dynmm import code_closure
from dynmm.configuration import presets, strict_yaml

SNAKEFILE = Path(__file__).resolve().parents[1] / "Snakefile"


def jobs_of(config):
    """(rule, *wildcards) -> params and inputs of every job behind the target `all`.

    Of params those count that Snakemake compares: none that follow from inputs or resources.
    """
    settings = ConfigSettings(config=config)
    with snakemake.api.SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        given = {"resource_settings": ResourceSettings(cores=1), "config_settings": settings}
        rules = api.workflow(snakefile=SNAKEFILE, workdir=Path.cwd(), **given)._workflow
    makers = [each for each in rules.rules if not each.name.startswith("partial")]
    dag, found = SimpleNamespace(workflow=rules), {}
    done, seen = set(), set()
    waiting = [(next(each for each in makers if each.name == "all"), {})]
    while waiting:
        maker, wildcards = waiting.pop()
        key = (maker.name, *(f"{name}={value}" for name, value in sorted(wildcards.items())))
        if key in done:
            continue
        done.add(key)
        job = Job(maker, dag, wildcards)
        files = sorted(map(str, job.input))
        if job.params:  # rules without params make nothing, or copy
            found[key] = (sorted(map(repr, job.non_derived_params)), files)
        for file in set(files) - seen:
            maker = next((each for each in makers if each.is_producer(file)), None)
            if maker is not None:
                waiting.append((maker, maker.get_wildcards(file)))
        seen.update(files)
    return found


def once_a_file(parse):
    """Snakemake's parser, which need not read the same files hundreds of times."""
    found = {}

    def parsed(snakefile, *arguments, **options):
        path = snakefile.get_path_or_uri(secret_free=True)
        if path not in found:
            found[path] = parse(snakefile, *arguments, **options)
        return found[path]

    return parsed


def main():
    request = json.load(sys.stdin)
    snakemake.workflow.parse = once_a_file(snakemake.workflow.parse)
    # which programs and modules make the code; what they do is no matter of the configuration
    code_closure.joint_closure = lambda programs, source_root: list(map(str, programs))
    code_closure.code_hash = str
    strict_yaml.read_yaml = presets.read_yaml = functools.cache(strict_yaml.read_yaml)
    base = jobs_of(request["base"])
    changed = [sorted({rule for rule, *_ in base})]
    for config in request["others"]:
        try:
            jobs = jobs_of(config)
        except SystemExit as error:
            changed.append(str(error))
        else:
            changed.append([key for key, value in jobs.items() if base.get(key) != value])
    json.dump(changed, sys.stdout)


if __name__ == "__main__":
    main()
