"""No secret is in what people read."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflow.foundation.credentials import without_credentials
from hflow.foundation.errors import HflowError
from hflow.foundation.progress import say

SECRETS = st.text(st.characters(blacklist_categories=("Cs",)), min_size=4).map(lambda s: f"sEcret{quote(s, safe='')}")
PLACES = ["https://{}@host/x", "https://{}@host:80", "http://{}@[::1]:5000/api", "postgresql+asyncpg://{}@db/prefect"]


@given(SECRETS, st.sampled_from(PLACES), st.sampled_from(["{}", "at {}: away", "'{}'", "({}), {}"]))
def test_no_text_has_the_password_of_a_url(secret: str, place: str, around: str) -> None:
    said = without_credentials(around.replace("{}", place.format(f"somebody:{secret}")))
    assert secret not in said
    assert "host" in said or "[::1]" in said or "somebody@db" in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://ghp_token@host/team/hflow.git", "https://host/team/hflow.git"),
        ("https://u:p@ss@host/x", "https://host/x"),
        ("HTTPS://u:p#?@host/x", "HTTPS://host/x"),
        ("s3://bucket/x?X-Amz-Signature=abc&part=1", "s3://bucket/x?X-Amz-Signature=***&part=1"),
        ("mysql://u:p@db/m, http://v:q@h/", "mysql://u@db/m, http://h/"),
    ],
)
def test_the_rest_of_a_url_stays(text: str, expected: str) -> None:
    assert without_credentials(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "models:/town@champion and models://town@champion",
        "ssh://git@host/team/hflow.git git@host:team/hflow.git",
        "sqlite:////srv/mlflow.db http://host:5000/a@b file:///a/b:c@d",
        "mail somebody@host, train.steps=3?key",
    ],
)
def test_what_holds_no_secret_stays(text: str) -> None:
    assert without_credentials(text) == text


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "PREFECT_API_KEY"])
def test_secrets_of_the_environment_are_in_no_error_and_no_line(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "sEcret99")
    assert str(HflowError("turned away: Basic sEcret99")) == "turned away: Basic ***"
    say("turned away: sEcret99, https://u:p@host/x")
    assert capsys.readouterr().err == "turned away: ***, https://host/x\n"
