"""Raw HDF5 files that name other files of the machine, or declare what they do not hold."""

import zlib

import h5py
import numpy as np
import pytest

from dynmm.data.nyuv2 import prepare as nyuv2_prepare
from dynmm.errors import InputError
from nyu_files import write_raw

FILE = "nyu_depth_v2_labeled.mat"


def external(file, key, shape, other):
    other.write_bytes(bytes(int(np.prod(shape))))
    file.create_dataset(key, shape, np.uint8, external=[(str(other), 0, h5py.h5f.UNLIMITED)])


def virtual(file, key, shape, other):
    with h5py.File(other, "w") as source:
        source["x"] = np.zeros(shape, np.uint8)
    layout = h5py.VirtualLayout(shape, np.uint8)
    layout[:] = h5py.VirtualSource(str(other), "x", shape)
    file.create_virtual_dataset(key, layout)


def linked(file, key, shape, other):
    with h5py.File(other, "w") as source:
        source["x"] = np.zeros(shape, np.uint8)
    file[key] = h5py.ExternalLink(str(other), "x")


def linked_by_a_folder(file, key, shape, other):
    with h5py.File(other, "w") as source:
        source["x"] = np.zeros(shape, np.uint8)
    file["elsewhere"] = h5py.ExternalLink(str(other), "/")
    file[key] = h5py.SoftLink("/elsewhere/x")


def declared(file, key, shape, other):
    file.create_dataset(key, (10**12, *shape[1:]), np.uint8)


def declared_in_pieces(file, key, shape, other):
    file.create_dataset(key, (10**12, *shape[1:]), np.uint8, chunks=(1, *shape[1:]))


def partly_written(file, key, shape, other):
    file.create_dataset(key, shape, np.uint8, chunks=(1, *shape[1:]))[1] = 7


def one_large_piece(file, key, shape, other):
    wide = (1, 3, 1 << 15, 1 << 14)
    array = file.create_dataset(key, wide, np.uint8, chunks=wide, compression="gzip")
    array.id.write_direct_chunk((0, 0, 0, 0), zlib.compress(b""))


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (external, "bytes lie in other files"),
        (virtual, "bytes lie in other files"),
        (linked, "a link, which may lead to another file"),
        (linked_by_a_folder, "a link, which may lead to another file"),
        (declared, "of which the file holds a part alone"),
        (declared_in_pieces, "of which the file holds a part alone"),
        (partly_written, "of which the file holds a part alone"),
        (one_large_piece, "more than 1073741824 bytes each"),
    ],
)
def test_an_array_that_the_file_does_not_hold_is_refused(tmp_path, spoil, found):
    raw = write_raw(tmp_path / "raw")
    with h5py.File(raw / FILE, "r+") as file:
        shape = file["images"].shape
        del file["images"]
        spoil(file, "images", shape, tmp_path / "other")
    with pytest.raises(InputError, match=found) as caught:
        nyuv2_prepare.prepare(raw, tmp_path / "prepared", {"depth": "refined"})
    assert caught.value.key == "images" and str(raw / FILE) in str(caught.value)
    assert not (tmp_path / "prepared" / "manifest.json").exists()
