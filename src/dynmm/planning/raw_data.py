"""What prepared data will be like, told by the raw files, or by what is published of them."""

from pathlib import Path

import h5py

from dynmm.files import read_json
from dynmm.vocabulary import MMIMDB, MOSEI, NYUV2

FILES = {
    NYUV2: "nyu_depth_v2_labeled.mat",
    MMIMDB: "multimodal_imdb.hdf5",
    MOSEI: "mosei_senti_data.pkl",
}
FLOAT = 4  # bytes of a float32
PIXEL = 8  # bytes of `prepare_nyuv2`: colours 3, depth and raw depth 2 each, label 1


def feature_sizes(manifest, published):
    """Feature size of each modality, and number of outputs, of MM-IMDB or CMU-MOSEI.

    Args:
        manifest: `manifest.json` of the prepared arrays; where it is not there yet, the published
            form counts.
        published: the task's entry below `data_sets` in resources/paper.yaml.
    """
    if not Path(manifest).is_file():
        return published["features"], published["outputs"]
    found = read_json(manifest)
    return found["input_sizes"], len(found.get("genres", ())) or published["outputs"]


def prepared_bytes(task, raw_dir, fetched, published):
    """Bytes of the arrays that a task's raw file becomes; None where nothing tells them.

    Of CMU-MOSEI it is the most that it can be: what the padding takes is not known before.

    Args:
        task: name of the task.
        raw_dir: folder of its raw file.
        fetched: paths of the raw files that the plan fetches.
        published: as for `feature_sizes`.
    """
    raw = Path(raw_dir, FILES[task])
    if str(raw) in fetched:
        return _published(task, published)
    if not raw.is_file():
        return None
    try:
        return {NYUV2: _frames, MMIMDB: _films, MOSEI: _sequences}[task](raw)
    except (OSError, LookupError, ValueError):
        return None  # the preparation says what is wrong with the file


def _published(task, known):
    samples = sum(known.get(split, 0) for split in ("train", "validation", "test"))
    if task == NYUV2:
        return PIXEL * known["height"] * known["width"] * samples
    values = sum(known["features"].values()) * known.get("steps", 1) + known["outputs"]
    return FLOAT * values * samples


def _frames(raw):
    with h5py.File(raw) as file:
        frames, _, width, height = file["images"].shape
    return PIXEL * frames * width * height


def _films(raw):
    with h5py.File(raw) as file:
        shapes = [file[name].shape for name in ("features", "vgg_features", "genres")]
    return FLOAT * shapes[0][0] * sum(size for _, size in shapes)


def _sequences(raw):
    return raw.stat().st_size // 2  # its floats have eight bytes, ours four
