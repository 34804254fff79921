"""Which devices an engine takes."""

import pytest
import torch

from hflow.foundation.errors import HflowError
from hflow.foundation.params import TranslateParams
from hflow.translation.engines import opening


@pytest.fixture(autouse=True)
def _unequal_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models of this machine's GPUs, as it were."""
    names = ["T4", "A100", "A100"]
    monkeypatch.setattr(opening, "pick_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(names))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: names[number])


def test_of_unequal_cards_all_takes_those_of_one_model_and_names_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert opening.devices_of(TranslateParams(devices="all")) == [torch.device("cuda", 1), torch.device("cuda", 2)]
    assert "cuda:0 (T4)" in "".join(capsys.readouterr())


def test_more_cards_than_there_are_of_one_model_are_refused_by_name() -> None:
    with pytest.raises(HflowError, match=r"devices is 3, and there are 2 GPUs of one model here \(T4, A100, A100\)"):
        opening.devices_of(TranslateParams(devices=3))


def test_one_card_is_the_first() -> None:
    assert opening.devices_of(TranslateParams(devices=1)) == [torch.device("cuda", 0)]
