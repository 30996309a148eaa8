"""Bytes that a plan will write and fetch: as files that are there tell, counted, or unknown."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from statistics import fmean

from dynmm.planning.durations import SEED, STAGE, label_of
from dynmm.planning.raw_data import feature_sizes, prepared_bytes
from dynmm.vocabulary import NYUV2, TASKS

WEIGHTS, PREPARED, OTHER = "weights", "prepared arrays", "other files"
WEIGHTS_FILE, PREPARED_FOLDER, MANIFEST = "weights.safetensors", "prepared", "manifest.json"
RESULTS = "results"
# Weights beside the published ones while a training runs: two checkpoints and one that is being
# written, each the network and what its optimizer holds of it (AdamW twice, SGD once), and as many
# best weights.
KEPT = {False: 3 * 3 + 2, True: 3 * 2 + 2}
GIGA = 10**9


@dataclass
class Disk:
    """Bytes of what a plan writes below results/.

    Args:
        made: kind of file -> bytes.
        unknown: number of files whose size nothing tells before one like them is there.
        replaced: bytes of files that are there and will be made anew.
        unfinished: the most bytes that a training keeps beside its weights while it runs.
    """

    made: Counter = field(default_factory=Counter)
    unknown: int = 0
    replaced: int = 0
    unfinished: int = 0


class Sizes:
    """Sizes of files before they are made.

    A file is as large as the one that is there, or those that other seeds left. Otherwise weights
    are as large as the tensors of their network, prepared arrays follow from the raw files, and the
    rest is in the mean as large as files of its name. Paths are relative to the working directory.

    Args:
        published: `data_sets` of resources/paper.yaml, task -> entry.
    """

    def __init__(self, published):
        self._published, self._there, self._networks = published, {}, {}

    def disk(self, jobs):
        """What the jobs write, a `Disk`."""
        disk, fetched = Disk(), {path for job in jobs if job.downloads for path in job.outputs}
        for job in jobs:
            if _task(job) is None:
                continue  # reports, and raw files, which are the download's
            disk.replaced += sum(map(_size, job.outputs))
            for kind, files, size in self._parts(job, fetched):
                if kind == WEIGHTS:
                    disk.unfinished = max(disk.unfinished, round(size * KEPT[_task(job) == NYUV2]))
                disk.made[kind] += round(size or 0)
                disk.unknown += 0 if size else files
        return disk

    def _parts(self, job, fetched):
        """(kind, number of files, bytes or None) for the outputs of a job."""
        arrays = [path for path in job.outputs if PurePath(path).parts[3] == PREPARED_FOLDER]
        if arrays:
            there = [_size(path) for path in arrays]
            yield PREPARED, len(arrays), sum(there) if all(there) else self._arrays(job, fetched)
        for path in job.outputs:
            if path not in arrays and PurePath(path).name == WEIGHTS_FILE:
                yield WEIGHTS, 1, self._mean(path, others=False) or self._weights(job)
            elif path not in arrays:
                yield OTHER, 1, self._mean(path, others=True)

    def _mean(self, path, others):
        """Mean bytes of the files that other seeds left; `others`: else of all of that name."""
        stage = Path(*PurePath(path).parts[:STAGE])
        if stage not in self._there:
            self._there[stage] = defaultdict(list)
            for file in filter(Path.is_file, stage.rglob("*") if stage.is_dir() else [stage]):
                entry = label_of(file, stage), file.stat().st_size
                self._there[stage][SEED.sub("", file.name)].append(entry)
        found = self._there[stage][SEED.sub("", PurePath(path).name)]
        same = [size for label, size in found if label == label_of(path, stage)]
        sizes = same or [size for _, size in found if others]
        return fmean(sizes) if sizes else None

    def _weights(self, job):
        task, sizes, outputs = _task(job), None, None
        if task != NYUV2:
            folder = Path(*PurePath(job.outputs[0]).parts[: STAGE - 1], PREPARED_FOLDER)
            sizes, outputs = feature_sizes(folder / MANIFEST, self._published[task])
        from dynmm.planning.networks import weights_bytes  # torch takes seconds to load

        # a grid has thousands of points of one network
        settings = {name: part for name, part in job.config.items() if name != "training"}
        of_training = [job.config["training"].get(name) for name in ("model", "freeze")]
        key = repr((task, settings, of_training))
        if key not in self._networks:
            self._networks[key] = weights_bytes(task, job.config, sizes, outputs)
        return self._networks[key]

    def _arrays(self, job, fetched):
        task = _task(job)
        raw_dir = PurePath(job.inputs[0]).parent
        return prepared_bytes(task, raw_dir, fetched, self._published[task])


def download_bytes(job):
    """(least, most) bytes that a download job fetches; None where they are not known.

    Its slice of the configuration has the file's entry of config/datasets.yaml.
    """
    (entry,) = job.config.get("files", {None: {}}).values()
    size = entry.get("bytes")
    if size is None and "about_gb" not in entry:
        return None
    about = entry.get("about_gb") if size is None else size / GIGA
    least, most = about if isinstance(about, list) else (about, about)
    return least * GIGA, most * GIGA


def _task(job):
    """The task below results/ for which a job makes files, or None."""
    parts = PurePath(job.outputs[0]).parts
    below = parts[0] == RESULTS and len(parts) >= STAGE and parts[2] in TASKS
    return parts[2] if below else None


def _size(path):
    path = Path(path)
    return path.stat().st_size if path.is_file() else 0
