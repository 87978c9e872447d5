from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edge_agent.config import load
from edge_agent.errors import ConfigError
from edge_agent.snapshots.upload.config import UploadConfig

FULL = """
upload:
  url: https://pictures.example/{node}/{id}?key=hidden1
  auth: digest
  username: porch
  password: hidden2
  headers: {X-Api: hidden3, Authorization-Other: hidden4}
  allow: [bucket.example, "https://other.example/in"]
"""


def test_no_secret_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(FULL)
    configuration = load(file, environ={}, sections={"upload": UploadConfig})
    lines = {line.path: line.value for line in configuration.explain()}
    assert "hidden" not in json.dumps(lines)
    assert lines["upload.username"] == "porch"
    assert "hidden" not in repr(configuration.section("upload", UploadConfig)).replace("key=hidden1", "")


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ({"url": "https://h/{nodes}"}, "did you mean 'node'"),
        ({"url": "https://user:pass@h/{id}"}, "credentials are configured"),
        ({"allow": ["https://h/?x=1"]}, "leave the query out"),
        ({"allow": ["ftp://h/"]}, "the scheme 'ftp'"),
        ({"body": "multipart"}, "goes with 'method: POST'"),
        ({"key": "my.key"}, "'key' is given without 'cert'"),
        ({"auth": "bearer"}, "takes 'token'"),
        ({"auth": "basic", "username": "x"}, "takes 'password'"),
        ({"token": "x"}, "'token' is given, but 'auth' is none"),
        ({"auth": "bearer", "token": "a\nb"}, "printable ASCII"),
        ({"auth": "bearer", "token": "a", "headers": {"authorization": "b"}}, "two of one kind"),
        ({"headers": {"Host": "x"}}, "is the transfer's own header"),
        ({"headers": {"X Y": "x"}}, "is not a header's name"),
        ({"headers": {"X-Y": "secret\r\nEvil: 1"}}, "printable ASCII on one line"),
        ({"retry_base_s": 10, "retry_cap_s": 5}, "must not be above"),
    ],
)
def test_what_cannot_hold_is_said(section: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        UploadConfig(**section)
    assert why in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_wrong_key_names_the_right_one(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("upload: {concurency: 3}\n")
    with pytest.raises(ConfigError, match="concurrency"):
        load(file, environ={}, sections={"upload": UploadConfig})


def test_a_password_comes_as_a_credential(tmp_path: Path) -> None:
    (tmp_path / "upload.password").write_text("hidden\n")
    file = tmp_path / "config.yaml"
    file.write_text("upload: {url: 'https://h/{id}', auth: basic, username: porch}\n")
    sections = {"upload": UploadConfig}
    configuration = load(file, environ={}, sections=sections, credentials_directory=tmp_path)
    password = configuration.section("upload", UploadConfig).password
    assert password is not None
    assert password.get_secret_value() == "hidden"
