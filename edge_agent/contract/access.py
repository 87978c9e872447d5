"""Who may write and read what on the broker, declared once; the broker's own files are made of it.

An agent's user name is its node's id. So each may write its own documents and read its own commands, and
nothing of another node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from edge_agent.contract.topics import NODE_ID

__all__ = ["ACCESS", "Rule", "emqx_rules", "mosquitto_rules"]

Right = Literal["write", "read"]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`role` may do `right` on `topics`; `{user}` in one is the name that the client logged in with."""

    role: str
    right: Right
    topics: tuple[str, ...]


_OWN: Final = "edge/v1/{user}"
_COMMANDS: Final = ("edge/v1/+/cmd/+", "edge/v1/@group/+/cmd/+")

# EMQX puts in any user's name as it is: one with a `+` would be all nodes at once. mosquitto refuses those.
_EMQX_NODES: Final = f'{{username, {{re, "^{NODE_ID.pattern}$"}}}}'

# The agents' rules come first: they hold for every user, each in the tree of its own name.
ACCESS: Final = (
    Rule(
        role="agent",
        right="write",
        topics=(
            f"{_OWN}/availability",
            f"{_OWN}/capabilities",
            f"{_OWN}/status",
            f"{_OWN}/heartbeat",
            f"{_OWN}/reply/+",
            f"{_OWN}/event/+",
            f"{_OWN}/image/#",
            "homeassistant/device/{user}/config",
        ),
    ),
    Rule(
        role="agent",
        right="read",
        topics=(
            f"{_OWN}/cmd/+",
            f"{_OWN}/desired",
            f"{_OWN}/availability",
            "edge/v1/@all/cmd/+",
            "edge/v1/@group/+/cmd/+",
            "homeassistant/status",
        ),
    ),
    Rule(role="operator", right="read", topics=("edge/v1/#",)),
    Rule(role="operator", right="write", topics=(*_COMMANDS, "edge/v1/+/desired")),
    Rule(role="dashboard", right="read", topics=("edge/v1/#",)),
    Rule(role="homeassistant", right="read", topics=("edge/v1/#", "homeassistant/#")),
    Rule(role="homeassistant", right="write", topics=(*_COMMANDS, "homeassistant/#")),
)

_HEAD: Final = (
    "Who may do what on the broker.",
    "An agent's user name is its node's id; `operator`, `dashboard` and `homeassistant` are users, too.",
    "What is not named here is denied. Where mqtt.root is not edge/v1, put yours in its place.",
    "Written by `make contract`.",
)


def mosquitto_rules() -> str:
    """Return mosquitto's `acl_file`."""
    lines = [f"# {line}" for line in _HEAD]
    role = None
    for rule in ACCESS:
        if rule.role != role:
            lines += ["", f"# {rule.role}"]
            lines += [] if rule.role == "agent" else [f"user {rule.role}"]
            role = rule.role
        word = "pattern" if rule.role == "agent" else "topic"
        lines += [f"{word} {rule.right} {topic.replace('{user}', '%u')}" for topic in rule.topics]
    return "\n".join(lines) + "\n"


def emqx_rules() -> str:
    """Return EMQX's `acl.conf`."""
    lines = [f"%% {line}" for line in _HEAD]
    for rule in ACCESS:
        who = _EMQX_NODES if rule.role == "agent" else f'{{user, "{rule.role}"}}'
        action = "publish" if rule.right == "write" else "subscribe"
        topics = ", ".join(f'"{topic.replace("{user}", "${username}")}"' for topic in rule.topics)
        lines += [f"{{allow, {who}, {action}, [{topics}]}}."]
    return "\n".join([*lines, "{deny, all}."]) + "\n"
