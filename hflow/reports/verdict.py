"""What a run came to in one sentence, by the measure of its task: mIoU, PSNR to the truth, or KID."""

from hflow.datasets.training_sets import parts_of
from hflow.foundation.params import BASELINES
from hflow.metrics.paired_gain import Gain
from hflow.reports.evaluation_results import Evaluation
from hflow.reports.html_parts import count, number, signed
from hflow.reports.realism import KID
from hflow.reports.realism_parts import shown
from hflow.reports.truth_parts import truth_line

__all__ = ["SETS", "frames_of", "verdict"]

SETS = {
    "source": "the frames as the simulator gave them",
    "translated": "the translated frames",
    "restyled": "the same frames in further styles",
    "histogram": "the frames with each colour channel's histogram matched to a target image's",
    "reinhard": "the frames with the mean and spread of a target image's colours (Reinhard et al. 2001, in CIELAB)",
    "gpa": "the frames with a gamma for lightness and matched histograms of colour (Ma and others 2021, in CIELAB)",
    "fda": "the frames with the lowest frequencies of a target image (Fourier domain adaptation, Yang and Soatto 2020)",
    "gamma": "the frames to the power that gives them a target image's mean",
    "clahe": "the frames with their lightness equalised place by place (CLAHE)",
    "dark_channel": "the frames dehazed by the dark channel prior (He and others 2011)",
    "target": "the target's own training images",
}


def verdict(evaluation: Evaluation) -> str:
    """What a run came to, in one sentence with its numbers."""
    scores, gain = evaluation.scores, evaluation.gain
    if gain:
        return (
            f"Training on the translated frames scores mIoU {number(scores['translated'].miou)} on the target's "
            f"validation images against {number(scores['source'].miou)} for the raw frames: "
            f"{signed(gain.miou)}, {_confidence(gain)}{_against_baselines(evaluation)}."
        )
    made = f"{count(evaluation.translated)} of {count(evaluation.given)} frames were translated"
    similar = number(evaluation.similarity["all"].mean)
    if scores:
        best = max(scores.values(), key=lambda score: score.miou)
        trained = f"training on {frames_of(best.train_on)} scores mIoU {number(best.miou)}"
        return f"{made}, with a mean SSIM of {similar} to their source; {trained}."
    if evaluation.truth:
        return truth_line(evaluation.truth)
    kid = next((measure for measure in evaluation.realism.measures if measure.name == KID), None)
    if kid:
        closer = "nearer to" if kid.translated < kid.raw else "no nearer to"
        return (
            f"The translated frames are {closer} the target's images: KID × 1000 is {shown(KID, kid.translated)} "
            f"against {shown(KID, kid.raw)} for the raw frames, at a mean SSIM of {similar} to their source; {made}."
        )
    return f"{made}, with a mean SSIM of {similar} to their source; no segmenter was trained on them."


def frames_of(name: str) -> str:
    """What a training set is made of, in words."""
    return " and ".join(SETS.get(part, part) for part in parts_of(name))


def _against_baselines(evaluation: Evaluation) -> str:
    simple = [s for s in evaluation.scores.values() if s.train_on in BASELINES]
    if not simple:
        return ""
    best = max(simple, key=lambda score: score.miou)
    return f"; the best of the simpler methods, {best.train_on}, scores {number(best.miou)}"


def _confidence(gain: Gain) -> str:
    if gain.interval is None:
        return "one seed, which gives no interval, so chance is not ruled out"
    low, high = gain.interval
    sure = "" if low * high > 0 else ", so chance is not ruled out"
    return f"{gain.seeds} seeds, paired 95% interval {signed(low)} to {signed(high)}{sure}"
