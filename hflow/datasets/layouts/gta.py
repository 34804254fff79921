"""The layout of GTA5 (Playing for Data, Richter et al. 2016): images/NNNNN.png, labels/NNNNN.png, split.mat."""

from pathlib import Path

import numpy as np

from hflow.datasets.images import open_image, read_ids
from hflow.datasets.label_files import read_label_colours
from hflow.datasets.layouts.base import (
    LABEL_SUFFIXES,
    FoundFiles,
    RawDataset,
    RawSample,
    find_files,
    find_labels,
    pair_up,
)
from hflow.datasets.layouts.label_colours import ids_of_official_colours
from hflow.datasets.listing import IMAGE_SUFFIXES
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import CITYSCAPES, GTA5_COLOURS, cityscapes_ids
from hflow.foundation.params import DomainParams

__all__ = ["read_label", "scan"]


def scan(domain: DomainParams) -> RawDataset:
    """The frames in images/ as the training split, or the part of them that split.mat gives for `domain.split`.

    The dataset has no validation split of its own; VAL/images and VAL/labels are one, as `hflow export` writes them.

    Raises:
        HflowError: split.mat is asked for and is missing, or is no such file.
    """
    root = domain.root
    places = {"train": root} | ({"val": root / domain.val} if (root / domain.val / "images").is_dir() else {})
    splits, notes, labelled = {}, [], []
    for split, place in places.items():
        images: FoundFiles = find_files(place / "images", IMAGE_SUFFIXES)
        splits[split] = pair_up(images, find_labels(place / "labels", LABEL_SUFFIXES))
        notes += images.note((place / "images").relative_to(root).as_posix())
        if (place / "labels").is_dir():
            labelled.append(split)
    if domain.split:
        splits["train"] = _part(splits["train"], root / "split.mat", domain.split)
    return RawDataset(root, splits, labelled, cityscapes_ids(), read_label, ["gta"], notes)


def read_label(path: Path) -> np.ndarray:
    """Cityscapes label ids, uint8 (H, W), of a label as the dataset has them, or as other tools have converted them.

    Grey values are ids. So are the indices of a palette, unless it has the official colours in another order: then
    they are looked up, as those of RGB and RGBA are. GTA5's colours are those of Cityscapes but for `static`, which is
    (20, 20, 20) in GTA5 and black in Cityscapes; both are known. A colour that several ids share gets the smallest of
    them that is trained on, else the smallest: (0, 0, 142) is car, not license plate (34 in GTA5), (153, 153, 153) is
    pole, not polegroup, and black is unlabeled. Ids of 34 and more belong to no class.

    Raises:
        HflowError: the file can't be read, or has a colour that no class has.
    """
    image = open_image(path)
    if image.mode in ("RGB", "RGBA"):
        return ids_of_official_colours(read_label_colours(path))
    ids = read_ids(path)
    if image.mode == "P" and _in_another_order(np.unique(ids), image.getpalette("RGB") or []):
        return ids_of_official_colours(read_label_colours(path))
    return ids


def _in_another_order(used: np.ndarray, palette: list[int]) -> bool:
    """Whether the palette's colours at the indices used are official ones, but of other ids than those."""
    colours = [tuple(palette[3 * i : 3 * i + 3]) for i in used]
    official = {c.id: {c.colour, GTA5_COLOURS[c.id]} for c in CITYSCAPES}
    known = set().union(*official.values())
    in_order = all(colour in official.get(int(i), {colour}) for i, colour in zip(used, colours, strict=True))
    # A palette that was made from an image of colours has each of them once.
    return not in_order and len(set(colours)) == len(colours) and all(colour in known for colour in colours)


def _part(samples: list[RawSample], split_file: Path, part: str) -> list[RawSample]:
    """The samples whose numbers, which are their names, split.mat has for the part."""
    from scipy.io import loadmat

    try:
        numbers = {int(number) for number in np.ravel(loadmat(str(split_file))[f"{part}Ids"])}
    except FileNotFoundError:
        raise HflowError(
            f"{split_file} is missing, and the split {part} is asked for: put it there, or take the split out"
        ) from None
    except Exception as error:  # whatever scipy says of a file that is none of MATLAB's
        raise HflowError(
            f"{split_file} is not the dataset's split.mat with {part}Ids ({type(error).__name__}: {error}): "
            "fetch it again, or take the split out"
        ) from None
    kept = [sample for sample in samples if sample.key.isdecimal() and int(sample.key) in numbers]
    if not kept:
        raise HflowError(f"{split_file} has no number of {part} that is the name of an image, such as 00001.png")
    return kept
