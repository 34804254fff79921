"""What nobody is to read in a log, a message or a record: passwords, tokens, keys."""

import os
import re

__all__ = ["without_credentials"]

# A user before a host is a secret too where there is no password: hosts of repositories take tokens so.
_HTTP = re.compile(r"(?i)\b(https?://)[^/\s'\"<>]*@")
_OTHER = re.compile(r"(?i)\b((?!https?:)[a-z][a-z0-9+.-]*://[^/\s'\"<>:@]*):[^/\s'\"<>]*@")
_QUERY = re.compile(r"(?i)([?&][\w.-]*(?:password|token|secret|signature|credential|key|sig)=)[^&\s'\"<>]+")
_VARIABLE = re.compile(r"(PASSWORD|TOKEN|SECRET|API_KEY|ACCESS_KEY|AUTH_STRING)$")
_LEAST = 6
"""Characters of a variable's value: a shorter one would be taken out of words too."""


def without_credentials(text: str) -> str:
    """A text without the credentials that are in it.

    From the URLs in it users and passwords are taken out (of others than HTTP's passwords alone), and the values of
    parameters that are named like a secret; and wherever it stands the value of an environment variable that is named
    like one, as MLFLOW_TRACKING_PASSWORD and PREFECT_API_KEY are. A URL that has none is as it was.
    """
    text = _HTTP.sub(r"\1", text)
    text = _OTHER.sub(r"\1@", text)
    text = _QUERY.sub(r"\1***", text)
    for name, value in os.environ.items():
        if len(value) >= _LEAST and _VARIABLE.search(name):
            text = text.replace(value, "***")
    return text
