"""List what killed writes and superseded runs left below results/ and reports/, or remove it.

Results of networks that the configuration no longer names are listed, too, and never removed.
"""

from pathlib import Path

import yaml

from dynmm import program
from dynmm.configuration.presets import with_preset
from dynmm.leftovers import find_leftovers, remove_leftovers, unconfigured

BASE = Path(__file__).resolve().parents[2]
CONFIG = Path("config", "config.yaml")
SHOWN = 10  # of a kind, the largest first
MEGA = 1e6


def main(arguments):
    """Print what is found by kind; with --remove, what was removed."""
    found = find_leftovers()
    if not found:
        print("no leftovers are here")
    if arguments.remove:
        removed = remove_leftovers(found, minutes=arguments.minutes)
        _show("removed", removed, len(removed))
        _show("in use, or just written: left alone", [e for e in found if e not in removed])
        return
    for kind in dict.fromkeys(entry.kind for entry in found):
        _show(kind, [entry for entry in found if entry.kind == kind])
    if found:
        print(f"`make clean-leftovers` removes {_mb(found)} MB")
    config = _config(arguments.preset)
    title = f"results that the configuration of preset {config['preset']} does not name: they stay"
    _show(title, unconfigured(config))


def _config(preset):
    given = yaml.safe_load((CONFIG if CONFIG.exists() else BASE / CONFIG).read_text("utf-8"))
    given |= {"preset": preset} if preset else {}
    return with_preset(given, BASE / "config" / "presets")


def _show(title, entries, most=SHOWN):
    if not entries:
        return
    print(f"{title}: {len(entries)}, {_mb(entries)} MB")
    for entry in sorted(entries, key=lambda entry: -entry.bytes)[:most]:
        print(f"  {entry.bytes / MEGA:10,.1f} MB  {entry.path}")
    if len(entries) > most:
        print(f"  and {len(entries) - most} more")


def _mb(entries):
    return f"{sum(entry.bytes for entry in entries) / MEGA:,.1f}"


def parse(argv=None):
    """The command line."""
    parser = program.parser(__doc__)
    parser.add_argument("--remove", action="store_true", help="remove them, and say what was")
    parser.add_argument(
        "--minutes", type=float, default=10, help="what was written to since stays (default: 10)"
    )
    parser.add_argument("--preset", help="whose results are compared with the configuration")
    return parser.parse_args(argv)


if __name__ == "__main__":
    program.run(main, parse())
