"""The report is one file that needs nothing else and says what came out."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hflow.foundation.params import TRAINING_SETS
from hflow.metrics.closeness import Closeness
from hflow.metrics.paired_gain import Gain
from hflow.reports.evaluation_page import write_report
from hflow.reports.evaluation_results import Evaluation, Rejected
from hflow.reports.made_with import made_with
from hflow.reports.truth import TruthScores
from hflow.reports.verdict import SETS, verdict
from hflow.segmentation.scores import SelfTrained
from tests.evaluations import CLASSES, DATA, PROVENANCE, TIMINGS, an_evaluation, bare, example, score, written


@pytest.fixture
def evaluation() -> Evaluation:
    return an_evaluation()


def test_every_training_set_is_explained() -> None:
    assert SETS.keys() == set(TRAINING_SETS)


@pytest.mark.parametrize("compared", [None, {}, {"gamma": Closeness(16.8, 0.7, 0.3)}])
def test_every_row_of_a_table_has_as_many_cells_as_its_head(
    evaluation: Evaluation, tmp_path: Path, compared: dict[str, Closeness] | None
) -> None:
    close = Closeness(17.0, 0.8, 0.2)
    truth = None if compared is None else TruthScores("val", 4, close, close, 0, [], compared)
    tables = re.findall(r"<table.*?</table>", written(replace(evaluation, truth=truth), tmp_path), re.DOTALL)
    measured = [table for table in tables if 'class="measures"' in table]
    assert len(measured) == (1 if compared is None else 2)
    for table in tables:
        head, *rows = (re.findall(r"<t[hd]\b", row) for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL))
        assert {len(row) for row in rows} == {len(head)}


def test_the_verdict_is_one_sentence_with_its_numbers(evaluation: Evaluation) -> None:
    assert verdict(evaluation) == (
        "Training on the translated frames scores mIoU 0.410 on the target's validation images against 0.290 for the "
        "raw frames: +0.120, 2 seeds, paired 95% interval +0.050 to +0.190."
    )


def test_the_verdict_says_so_where_it_may_be_chance(evaluation: Evaluation) -> None:
    alone = verdict(replace(evaluation, gains={"translated": Gain(0.12, 1, None)}))
    assert "+0.120, one seed, which gives no interval, so chance is not ruled out" in alone
    wide = verdict(replace(evaluation, gains={"translated": Gain(-0.02, 2, (-0.09, 0.05))}))
    assert "−0.020, 2 seeds, paired 95% interval −0.090 to +0.050, so chance is not ruled out" in wide


def test_every_training_set_has_its_gain_over_the_raw_frames_and_the_interval(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    gains = {**evaluation.gains, "fda": Gain(0.01, 2, (-0.03, 0.05))}
    page = written(
        replace(evaluation, scores={**evaluation.scores, "fda": score("fda", 0.3, 2)}, gains=gains), tmp_path
    )
    shown = re.findall(r"<small>([^<]*) to&nbsp;([^<]*)</small>", page)
    assert shown == [("+0.050", "+0.190"), ("−0.030", "+0.050")]
    assert "the mean over 2 seeds" in page


def test_every_training_set_stands_with_and_without_self_training(evaluation: Evaluation, tmp_path: Path) -> None:
    assert "self-trained" not in written(evaluation, tmp_path)
    after = {
        name: replace(score, self_trained=SelfTrained(score.miou + gain, {0: score.miou + gain}, share, {}))
        for (name, score), gain, share in zip(evaluation.scores.items(), (0.04, 0.05), (0.6, 0.8), strict=True)
    }
    page = written(replace(evaluation, scores=after), tmp_path)
    assert "60 to 80% of the pixels" in page
    assert "0.330<small>+0.040</small>" in page
    assert "0.460<small>+0.050</small>" in page


def test_scores_of_one_seed_say_that_another_might_rank_otherwise(evaluation: Evaluation, tmp_path: Path) -> None:
    scores = {name: score(name, 0.3, 1) for name in ("source", "translated")}
    page = written(replace(evaluation, scores=scores, gains={"translated": Gain(0.12, 1, None)}), tmp_path)
    assert "All are of one seed" in page
    assert "to&nbsp;" not in page


def test_the_verdict_names_the_best_of_the_simpler_methods(evaluation: Evaluation) -> None:
    others = {name: score(name, miou, 2) for name, miou in (("histogram", 0.38), ("fda", 0.43), ("target", 0.7))}
    said = verdict(replace(evaluation, scores={**evaluation.scores, **others}))
    assert said.endswith("; the best of the simpler methods, fda, scores 0.430.")


def test_a_class_s_best_score_is_marked_unless_it_knew_the_target_s_labels(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    page = written(replace(evaluation, scores={**evaluation.scores, "target": score("target", 0.7, 2)}), tmp_path)
    # Of road alone: sky is 1 in all sets.
    assert re.findall(r'class="value bar best"[^>]*><span>([^<]*)', page) == ["0.410"]


def test_frames_a_second_are_told_by_stage(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation, tmp_path / "index.html", data=DATA, timings=TIMINGS)
    row = r"<th[^>]*>{}</th><td[^>]*>{}</td><td[^>]*>{}</td><td[^>]*>{}</td>"
    page = (tmp_path / "index.html").read_text()
    assert re.search(row.format("translate", "1,204", "1 min 01 s", "19.6"), page)
    assert re.search(row.format("segment source", "1,600", "2 h 03 min", "0.216"), page)
    assert "Together 2 h 04 min." in page
    write_report(evaluation, tmp_path / "index.html", data=DATA)
    assert "Frames a second" not in (tmp_path / "index.html").read_text()


def test_without_a_comparison_the_verdict_says_what_was_made(evaluation: Evaluation) -> None:
    made = "1,204 of 1,205 frames were translated, with a mean SSIM of 0.410 to their source; "
    unscored = replace(evaluation, scores={}, gains={}, realism=bare(evaluation).realism)
    assert verdict(unscored) == made + "no segmenter was trained on them."
    alone = replace(evaluation, scores={"target": score("target", 0.5, 1)}, gains={})
    assert verdict(alone) == made + "training on the target's own training images scores mIoU 0.500."


def test_the_page_refers_to_nothing_outside_itself(evaluation: Evaluation, tmp_path: Path) -> None:
    # Links are for the reader to follow; the page itself asks for nothing.
    page = re.sub(r'<a href="[^"]*"', "", written(evaluation, tmp_path))
    assert not re.findall(r"https?://|@import|url\(|<link(?! rel=\"icon\" href=\"data:,\")|<script src", page)
    assert all(source.startswith("data:image/") for source in re.findall(r'src="([^"]*)"', page))


def test_names_of_frames_are_text_and_not_markup(evaluation: Evaluation, tmp_path: Path) -> None:
    key = '"><script>alert(1)</script>'
    page = written(replace(evaluation, examples=[example(0, key=key, style_key=key)]), tmp_path)
    assert "<script>alert" not in page
    assert "images/&lt;b&gt;.png" in page


def test_the_same_evaluation_gives_the_same_bytes(evaluation: Evaluation, tmp_path: Path) -> None:
    assert written(evaluation, tmp_path) == written(evaluation, tmp_path)


def test_a_path_of_this_machine_alone_is_not_shown(evaluation: Evaluation, tmp_path: Path) -> None:
    page = written(evaluation, tmp_path)
    assert "sims/town (folder)" in page
    assert "real (cityscapes)" in page
    assert "/store" not in page


def test_what_builds_the_network_and_every_loss_that_was_changed_are_told(
    evaluation: Evaluation,
) -> None:
    config = {**evaluation.model.config, "adain": "innermost", "guide": 4, "correction": "none"}
    config["loss"] |= {"regions": "labels", "detail": 300.0, "colour": 0.0, "target_labels": "/store/labels"}
    facts = dict(made_with(replace(evaluation, model=replace(evaluation.model, config=config)), DATA))
    assert {("adain", "innermost"), ("guide", "4")} <= {*facts["Model"]}
    assert "correction" not in dict(facts["Model"])
    assert {("regions", "labels"), ("detail", "300"), ("target labels", "labels")} <= {*facts["Training"]}
    assert "colour" not in dict(facts["Training"])


def test_an_image_of_which_nothing_is_labelled_has_no_share_that_is_right(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    camera = evaluation.predictions[0]
    unlabelled = replace(camera, right=dict.fromkeys(camera.right))
    assert written(evaluation, tmp_path).count("% right") == len(camera.right)
    assert "% right" not in written(replace(evaluation, predictions=[unlabelled]), tmp_path)


def test_many_large_frames_make_a_page_under_10_mb(evaluation: Evaluation, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (280, 560, 3), np.uint8)
    label = noise[..., 0] % len(CLASSES)
    frame = example(0, source=noise, translated=noise[::-1], label=label, style=noise)
    many = replace(evaluation, examples=[frame] * 50)
    written(many, tmp_path)
    assert (tmp_path / "index.html").stat().st_size < 10_000_000


def test_only_the_first_100_rejections_are_listed(evaluation: Evaluation, tmp_path: Path) -> None:
    rejections = [Rejected("train", f"images/{i}.png", "label missing") for i in range(105)]
    page = written(replace(evaluation, rejected=105, rejections=rejections), tmp_path)
    assert page.count("label missing") == 100
    assert "the first 100 of them" in page


def test_a_drawn_town_says_before_all_else_that_it_proves_nothing(evaluation: Evaluation, tmp_path: Path) -> None:
    page = written(evaluation, tmp_path)
    assert page.index("prove nothing about real images") < page.index(verdict(evaluation)[:40])
    write_report(evaluation, tmp_path / "index.html", data=DATA)
    assert "drawn town" not in (tmp_path / "index.html").read_text()


def test_date_version_commit_run_and_data_versions_are_told(evaluation: Evaluation, tmp_path: Path) -> None:
    page = written(evaluation, tmp_path)
    assert "9 March 2026, 14:05 UTC" in page
    assert "hflow 0.1.0" in page
    assert f"<code>{PROVENANCE.commit}</code> and changes that are not committed" in page
    assert PROVENANCE.run
    assert f'<a href="{PROVENANCE.run.address}">MLflow run ffffffff</a>' in page
    assert f"<dt>data/prepared, DVC</dt><dd><code>{PROVENANCE.data['data/prepared']}</code>" in page


def test_a_frame_that_a_measure_finds_worst_is_shown_with_its_figure(evaluation: Evaluation, tmp_path: Path) -> None:
    page = written(evaluation, tmp_path)
    assert "<b>frame-9</b><br>invented detail 9.0<br>" in page
    assert "<b>frame-9</b><br>FCN score 0.100<br>" in page


def test_classes_that_are_not_scored_are_named(evaluation: Evaluation, tmp_path: Path) -> None:
    page = written(evaluation, tmp_path)
    assert "Scored: road, sky and made up. Not scored: wall and fence. Neither there nor seen: made up." in page


@pytest.mark.parametrize(
    "part",
    [
        *('id="realism"', 'id="confusion"', 'id="colours"', 'id="predictions"'),
        *('id="scores"', 'id="curves"', 'id="rejected"', 'id="labels"', 'id="consistency"'),
        *("Least similar", "Drawn by lot", "in the style of", "<h3>invented detail", "<h3>kid <span>-0.01<"),
    ],
)
def test_what_a_run_lacks_is_left_out(evaluation: Evaluation, tmp_path: Path, part: str) -> None:
    assert part in written(evaluation, tmp_path)
    page = written(bare(evaluation), tmp_path)
    assert part not in page
    assert 'type="range"' in page


def test_a_failed_write_leaves_the_old_report(evaluation: Evaluation, tmp_path: Path) -> None:
    written(evaluation, tmp_path)
    with pytest.raises(KeyError):
        written(replace(evaluation, stats={}), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert (tmp_path / "index.html").read_text().rstrip().endswith("</html>")


def test_a_measure_that_was_not_taken_at_every_point_has_no_curve(evaluation: Evaluation, tmp_path: Path) -> None:
    assert "<h3>fcn score" not in written(evaluation, tmp_path)
