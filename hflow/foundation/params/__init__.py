"""params.yaml as typed, checked sections: unknown keys and impossible values are refused by name.

In comes the file's text, out go frozen sections; a subject's sections are a file. Imports the foundation alone.
"""

from hflow.foundation.params.cluster import ClusterParams, KubernetesParams, SlurmParams
from hflow.foundation.params.data import DataParams, DomainParams, PrepareParams, TownParams
from hflow.foundation.params.registry import ReleaseParams, TrackingParams
from hflow.foundation.params.scoring import (
    BASELINES,
    TRAINING_SETS,
    BaselinesParams,
    EvaluateParams,
    SegmentParams,
    SelfTrainingParams,
)
from hflow.foundation.params.section import Workers, check_section
from hflow.foundation.params.training import VARIANTS, EncoderParams, LossParams, ModelParams, TrainParams
from hflow.foundation.params.translation import StyleParams, TranslateParams
from hflow.foundation.params.whole import Params, load_params

__all__ = [
    "BASELINES",
    "TRAINING_SETS",
    "VARIANTS",
    "BaselinesParams",
    "ClusterParams",
    "DataParams",
    "DomainParams",
    "EncoderParams",
    "EvaluateParams",
    "KubernetesParams",
    "LossParams",
    "ModelParams",
    "Params",
    "PrepareParams",
    "ReleaseParams",
    "SegmentParams",
    "SelfTrainingParams",
    "SlurmParams",
    "StyleParams",
    "TownParams",
    "TrackingParams",
    "TrainParams",
    "TranslateParams",
    "Workers",
    "check_section",
    "load_params",
]
