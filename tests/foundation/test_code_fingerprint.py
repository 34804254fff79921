"""Hashes know code again."""

from hflow.foundation.code_fingerprint import code_fingerprint


def test_the_fingerprint_of_code_differs_from_module_to_module() -> None:
    assert code_fingerprint("foundation/labels.py") != code_fingerprint("foundation/hashes.py")
    assert code_fingerprint("model", "foundation/labels.py") == code_fingerprint("foundation/labels.py", "model")
