"""The raw files of NYU Depth V2's labelled set, in the true layout."""

import h5py
import numpy as np
from scipy import io

COARSE = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf",
    "picture", "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror",
    "floor mat", "clothes", "ceiling", "books", "refridgerator", "television", "paper", "towel",
    "shower curtain", "box", "whiteboard", "person", "night stand", "toilet", "sink", "lamp",
    "bathtub", "bag", "otherstructure", "otherfurniture", "otherprop",
)  # fmt: skip
N_FINE = 894
# fine class in the numbering 1..894 of NYU Depth V2 -> name; those named as a coarse class map to
# it, all others to otherprop
FINE = {
    3: "cabinet", 4: "ceiling", 5: "chair", 7: "counter", 11: "floor", 17: "refridgerator",
    19: "table", 21: "wall", 24: "sink", 26: "box", 28: "door", 45: "whiteboard", 59: "window",
    64: "picture", 80: "blinds", 82: "plant", 83: "sofa", 88: "bookshelf", 89: "curtain",
    119: "pillow", 124: "toilet", 136: "bathtub", 143: "floor mat", 157: "bed",
    172: "television", 331: "person",
}  # fmt: skip
FINE_ID = {name: number for number, name in FINE.items()}


def coarse_of(label):
    """1-based NYU-40 class of a fine class name."""
    return COARSE.index(label if label in COARSE else "otherprop") + 1


def write_frames(path, arrays, names):
    """nyu_depth_v2_labeled.mat: HDF5 of MATLAB 7.3 with reversed axes.

    Args:
        arrays: images (N, H, W, 3) uint8, labels (N, H, W) uint16, depths and rawDepths
            (N, H, W) float32 in metres.
        names: the names of fine classes 1..N_FINE.
    """
    with h5py.File(path, "w", track_order=True) as file:
        for key, values in arrays.items():
            stored = np.ascontiguousarray(np.moveaxis(values, (1, 2), (-1, -2)))
            file.create_dataset(
                key,
                data=stored,
                chunks=(1, *stored.shape[1:]),
                compression="gzip",
                compression_opts=9,
            )
        references = []
        for number, name in enumerate(names):
            text = np.array([[ord(letter)] for letter in name], "u2")
            cell = file.create_dataset(f"#refs#/{number:03d}", data=text)
            cell.attrs["MATLAB_class"] = np.bytes_("char")
            references.append(cell.ref)
        file.create_dataset("names", data=np.array([references], h5py.ref_dtype))


def fine_names():
    """Names of the classes 1..N_FINE; those the sample does not use are called unused."""
    return [FINE.get(number, f"unused {number}") for number in range(1, N_FINE + 1)]


def write_mapping(path):
    """classMapping40.mat: our own table, with the keys of the published one that matter here."""
    io.savemat(
        path,
        {
            "mapClass": np.array([[coarse_of(name) for name in fine_names()]], "u1"),
            "className": _cells(COARSE),
            "allClassName": _cells(fine_names()),
        },
        do_compression=True,
    )


def write_splits(path, is_test):
    """splits.mat: 1-based frame numbers as columns."""
    frames = np.arange(1, len(is_test) + 1, dtype="u2")
    io.savemat(
        path,
        {"trainNdxs": frames[~is_test][:, None], "testNdxs": frames[is_test][:, None]},
    )


def _cells(names):
    cells = np.empty((1, len(names)), object)
    cells[0] = list(names)
    return cells
