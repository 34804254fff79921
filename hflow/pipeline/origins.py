"""What a dataset was made from, each with its licence, as the parameters have it."""

from pathlib import Path

from hflow.foundation.params import DomainParams, Params
from hflow.foundation.stores import Store
from hflow.pipeline.outputs import TOWN

__all__ = ["origins"]

LICENCES = {
    "gta": "if it is Playing for Data (GTA5): for research and education alone, see download.visinf.tu-darmstadt.de",
    "cityscapes": "if it is Cityscapes: for non-commercial purposes alone, see cityscapes-dataset.com/license",
    "folder": "not stated; name it as data.source.licence or data.target.licence in params.yaml",
}


def origins(params: Params, frames: Path | Store | None = None) -> dict[str, str]:
    """What a translated dataset was made from: a name and its licence each.

    Args:
        params: name the frames and the images whose style they get.
        frames: a folder of other frames, in place of those; that of `data.source` is their licence, where it is given.
    """
    source, target = params.data.source, params.data.target
    given = _licence(source) if frames is None else source.licence or LICENCES["folder"]
    return {
        f"frames, {_name(frames or source.root)}": given,
        f"style, {_name(target.root)}": _licence(target),
    }


def _name(root: Path | Store) -> str:
    """A path that is absolute is of this machine alone."""
    if isinstance(root, Store):
        return str(root)
    return root.name if root.is_absolute() else root.as_posix()


def _licence(domain: DomainParams) -> str:
    drawn = "drawn by hflow" if domain.root.is_relative_to(TOWN) else None
    return domain.licence or drawn or LICENCES[domain.layout]
