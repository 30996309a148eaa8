"""Which experts and gates a configuration may name, and with which options."""

from pathlib import Path

from dynmm.configuration.refusal import refused
from dynmm.configuration.registered import EXPERT, GATE, module_sources, package_sources
from dynmm.errors import did_you_mean
from dynmm.options import check_options


def check_networks(section, task):
    """Refuse models that no class is registered as, and options that their classes do not take.

    Args:
        section: a modality task's section of a configuration that fits the schema.
        task: its name.

    Raises:
        InputError: names the key's path, what was found and what is allowed; a Python file that is
            missing, no Python, or of the name of another one.
    """
    entries = [(f"{task}.experts.{name}", EXPERT, e) for name, e in section["experts"].items()]
    entries.append((f"{task}.dynamic.gate", GATE, section["dynamic"]["gate"]))
    for name, gate in section["gates"].items():
        if "gate" in gate.get("dynamic", {}):
            entries.append((f"{task}.gates.{name}.dynamic.gate", GATE, gate["dynamic"]["gate"]))
    _check_modules(entries)
    for key, kind, entry in entries:
        _check_network(entry, kind, task, key)


def _check_modules(entries):
    """Each is imported under its file's name: two of one name would be one."""
    stems = {}
    for key, _, entry in entries:
        if "module" in entry:
            other = stems.setdefault(Path(entry["module"]).stem, entry["module"])
            if other != entry["module"]:
                expected = f"a file of another name than {other}"
                raise refused(f"{key}.module", entry["module"], expected)


def _check_network(entry, kind, task, key):
    model = (kind, task, entry["model"])
    known = dict(package_sources().registered)
    if "module" in entry:
        sources = module_sources(entry["module"])
        known |= sources.registered
        if model not in known and not sources.told:
            return  # it registers by other means than a decorator: the job that builds it will see
    if model not in known:
        names = sorted(name for of, owner, name in known if (of, owner) == (kind, task))
        fix = did_you_mean(entry["model"], names) or "A class of your own needs its `module`."
        raise refused(f"{key}.model", entry["model"], f"one of {', '.join(names)}", fix)
    declared = known[model]
    if entry.get("width", 1) != 1 and declared.has_widths is False:
        expected = "1: the class declares no width_options"
        raise refused(f"{key}.width", entry["width"], expected)
    if declared.options is not None:
        check_options(entry.get("options", {}), declared.options, task, f"{key}.options")
