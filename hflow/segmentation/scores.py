"""The scores of the downstream segmenter, read from metrics/segment/NAME.json, and which of them may be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hflow.foundation.errors import HflowError
from hflow.foundation.json_files import read_json

__all__ = ["SegmenterScores", "SelfTrained", "check_comparable", "differing_settings", "parse_scores", "read_scores"]

OF_THE_TRAINING_SET = ("training_frames", "size")
"""What a training set brings with it into the protocol; all else is chosen for all sets alike."""


@dataclass(frozen=True)
class SelfTrained:
    """The same segmenters' scores after self-training on the target's photographs.

    Attributes:
        miou: a fraction in [0, 1], the mean over the seeds.
        miou_by_seed: the mIoU of each seed.
        labelled: the share of the photographs' pixels that were labelled.
        protocol: rounds, threshold and ema.
        photographs_sha256: `set_sha256` of the photographs' shards.
    """

    miou: float
    miou_by_seed: Mapping[int, float]
    labelled: float
    protocol: Mapping[str, Any]
    photographs_sha256: str = ""


@dataclass(frozen=True)
class SegmenterScores:
    """How well a segmenter that was trained on one set does on the target's validation set.

    Attributes:
        train_on: the name of the training set.
        miou, pixel_accuracy, class_accuracy: fractions in [0, 1], means over the seeds.
        iou: by class; None for a class that occurs neither in the truth nor in a prediction.
        miou_by_seed: the mIoU of each seed.
        protocol: how the segmenter was trained and scored, and on how many frames of which size.
        network_sha256: of the first seed's weights as a file; empty where they were not kept.
        made_from: hashes of what they were made from: "training_set", its shards as they were read; "code", with the
            libraries' versions; and of what the training set was made from, see `TrainingSet`. That of the validation
            set is in the protocol.
        self_trained: None where there was no self-training.
    """

    train_on: str
    miou: float
    pixel_accuracy: float
    class_accuracy: float
    iou: Mapping[str, float | None]
    miou_by_seed: Mapping[int, float]
    protocol: Mapping[str, Any]
    network_sha256: str = ""
    made_from: Mapping[str, str] = field(default_factory=dict)
    self_trained: SelfTrained | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What must be equal for two scores to be compared: the protocol less what the training set brings, the seeds.

        `validation_sha256` among it stands for the validation set.
        """
        chosen = {name: value for name, value in self.protocol.items() if name not in OF_THE_TRAINING_SET}
        return chosen | {"seeds": sorted(self.miou_by_seed)}


def parse_scores(values: Mapping[str, Any]) -> SegmenterScores:
    """The scores that `segment` gives and writes.

    Raises:
        KeyError, TypeError: a part of them is missing or of another kind.
    """
    after = values.get("self_training")
    return SegmenterScores(
        train_on=values["train_on"],
        miou=values["mIoU"],
        pixel_accuracy=values["pxAcc"],
        class_accuracy=values["clsAcc"],
        iou=values["IoU"],
        miou_by_seed={run["seed"]: run["mIoU"] for run in values["seeds"]},
        protocol=values["protocol"],
        network_sha256=values.get("network_sha256", ""),
        made_from=values["made_from"],
        self_trained=after
        and SelfTrained(
            miou=after["mIoU"],
            miou_by_seed={run["seed"]: run["mIoU"] for run in after["seeds"]},
            labelled=after["labelled"],
            protocol=after["protocol"],
            photographs_sha256=after["photographs_sha256"],
        ),
    )


def read_scores(path: Path) -> SegmenterScores:
    """Read the file that the stage segment wrote.

    Raises:
        HflowError: the file is missing, is not JSON, or lacks a part of the scores.
    """
    try:
        return parse_scores(read_json(path, made_by=f"run `hflow segment {path.stem}`"))
    except (KeyError, TypeError) as error:
        raise HflowError(f"{path} lacks {error}: run `hflow segment {path.stem}` again") from None


def differing_settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """The names of settings that differ; two scores may be compared where there are none.

    Args:
        first, second: `SegmenterScores.settings`; what a training set brings with it is passed over.
    """
    names = {*first, *second} - {*OF_THE_TRAINING_SET}
    return sorted(name for name in names if first.get(name) != second.get(name))


def check_comparable(scores: Sequence[SegmenterScores]) -> None:
    """See that scores may stand in one table.

    Raises:
        HflowError: two of them were trained or scored with different settings or by different code.
    """
    for other in scores[1:]:
        differing = differing_settings(scores[0].settings, other.settings)
        if scores[0].made_from.get("code") != other.made_from.get("code"):
            differing.append("code")
        ours, theirs = (score.self_trained and score.self_trained.protocol for score in (scores[0], other))
        if ours != theirs:
            differing.append("self_training")
        if differing:
            raise HflowError(
                f"{scores[0].train_on} and {other.train_on} were scored with different {', '.join(differing)}: "
                "run `hflow segment` again for both"
            )
