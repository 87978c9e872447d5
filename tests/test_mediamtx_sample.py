"""The shipped MediaMTX configuration, read without one: who may do what, and what listens where."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import yaml

SAMPLE: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "systemd" / "mediamtx.yml").read_text())


def test_the_api_is_on_the_loopback() -> None:
    host = SAMPLE["apiAddress"].rpartition(":")[0]
    assert ipaddress.ip_address(host).is_loopback


def test_only_this_machine_publishes_and_only_private_networks_watch() -> None:
    for user in SAMPLE["authInternalUsers"]:
        networks = [ipaddress.ip_network(text) for text in user["ips"]]
        assert networks, "none would mean anywhere"
        assert all(network.is_private or network.is_link_local for network in networks)
        if {permission["action"] for permission in user["permissions"]} != {"read"}:
            assert all(network.is_loopback for network in networks)


def test_there_is_no_secret_in_it() -> None:
    assert [user["pass"] for user in SAMPLE["authInternalUsers"]] == [None, None]


def test_a_path_is_always_available_or_on_demand_and_not_both() -> None:
    for path in SAMPLE["paths"].values():
        assert not ((path or {}).get("alwaysAvailable") and "runOnDemand" in path)
