"""Draw training loss and validation score against the epoch, one line a run."""

from pathlib import Path

from dynmm import program
from dynmm.reporting import headings
from dynmm.reporting.gaps import Gaps
from dynmm.reporting.history import history_figure, read_histories
from dynmm.reporting.style import save_figure


def main(arguments):
    """Draw the histories; the config slice may give `select_on`, `content`, `preset`, `titles`."""
    config = arguments.config
    words = [f"data: {config['content']}"] if "content" in config else []
    words += [f"preset: {config['preset']}"] if "preset" in config else []
    fig = history_figure(
        read_histories(arguments.histories, arguments.labels or _runs(arguments.histories, config)),
        select_on=config.get("select_on", "validation"),
        note="; ".join(words),
        remarks=Gaps.of(config).remarks,
    )
    save_figure(fig, arguments.out, arguments.png or arguments.out.with_suffix(".png"))


def _runs(histories, config):
    """The printed name of the run of .../<run>/seed<k>/history.csv."""
    names = [path.parent.parent.name for path in histories]
    return [headings.run_title(name, config.get("titles")) for name in names]


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--histories", type=Path, nargs="+", required=True, help="history.csv")
    parser.add_argument("--labels", nargs="+", help="a name per history (default: from its path)")
    parser.add_argument("--out", type=Path, required=True, help="PDF")
    parser.add_argument("--png", type=Path, help="PNG (default: beside the PDF)")
    program.run(main, parser.parse_args())
