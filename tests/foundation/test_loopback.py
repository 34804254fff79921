"""Servers on this machine are asked directly."""

import os

import pytest
import requests

from hflow.foundation.loopback import ask_loopback_directly


def test_no_proxy_stands_before_this_machine_and_what_was_excepted_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    monkeypatch.setenv("no_proxy", "")
    for _ in range(2):
        ask_loopback_directly()
    assert os.environ["NO_PROXY"] == "intranet.example,127.0.0.1,localhost,::1"
    for url in ("http://127.0.0.1:5000/health", "http://localhost:5000"):
        assert not requests.utils.get_environ_proxies(url)
    assert requests.utils.get_environ_proxies("http://elsewhere.example")
