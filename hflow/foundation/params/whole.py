"""params.yaml as a whole."""

from pathlib import Path

import yaml
from pydantic import model_validator

from hflow.foundation.errors import HflowError, ParamsError
from hflow.foundation.params.data import DataParams, PrepareParams, TownParams
from hflow.foundation.params.registry import ReleaseParams, TrackingParams
from hflow.foundation.params.scoring import BaselinesParams, EvaluateParams, SegmentParams
from hflow.foundation.params.section import Section, check_section
from hflow.foundation.params.training import EncoderParams, LossParams, ModelParams, TrainParams
from hflow.foundation.params.translation import TranslateParams
from hflow.foundation.yaml_text import parse_yaml

__all__ = ["Params", "load_params"]


class Params(Section):
    """The whole of params.yaml."""

    town: TownParams = TownParams()
    data: DataParams
    prepare: PrepareParams
    model: ModelParams = ModelParams()
    encoder: EncoderParams = EncoderParams()
    loss: LossParams = LossParams()
    train: TrainParams
    translate: TranslateParams = TranslateParams()
    baselines: BaselinesParams = BaselinesParams()
    segment: SegmentParams = SegmentParams()
    evaluate: EvaluateParams = EvaluateParams()
    release: ReleaseParams = ReleaseParams()
    tracking: TrackingParams = TrackingParams()

    @model_validator(mode="after")
    def _classes(self) -> "Params":
        if self.segment.train_on and not self.data.classes:
            raise ValueError(
                f"segment.train_on names {self.segment.train_on[0]}, and data.classes none: name the classes, or set "
                "segment.train_on to []"
            )
        return self

    @model_validator(mode="after")
    def _several_styles(self) -> "Params":
        named = [name for name in self.segment.train_on if "restyled" in name.split("+")]
        if named and self.translate.styles == 1:
            raise ValueError(f"segment.train_on names {named[0]}, and translate.styles is 1: set it to 2 or more")
        return self


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check a params.yaml.

    Raises:
        HflowError: the file is missing, is no YAML, has a key twice, an unknown one or an impossible value; each fault
            is named.
    """
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HflowError(
            f"{path} is missing: run from the project's folder, or write one by `hflow init PRESET`"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{path} must hold sections (data:, prepare:, ...), not {type(values).__name__}")
    return check_section(Params, values, str(path))
