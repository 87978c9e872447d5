"""audit: compare the dependencies that are installed here with the public advisories, by pip-audit.

A known hole in what the agent itself depends on, at any depth, is an error (1). One in a tool of the
development is only told. Where the advisories could not be asked it says so and ends with 77: that is not to
say that there are none.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PRODUCT: Final = "edge-agent"
NOT_ASKED: Final = 77
# Advisories that do not concern this project: the id, and why.
ACCEPTED: Final[dict[str, str]] = {}
SERVICES: Final = {"PyPI": ["--vulnerability-service", "pypi"], "OSV": ["--vulnerability-service", "osv"]}


class NotAskedError(Exception):
    """The advisories could not be asked; says why."""


def dependencies(*, development: bool = False) -> dict[str, str]:
    """Return the installed version of all that the agent needs, at any depth, by its canonical name."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    waiting = [f"{PRODUCT}[dev]" if development else PRODUCT]
    while waiting:
        text = waiting.pop()
        if text in seen:
            continue
        seen.add(text)
        wanted = Requirement(text)
        try:
            distribution = metadata.distribution(wanted.name)
        except metadata.PackageNotFoundError:
            continue  # of another platform's
        found[canonicalize_name(wanted.name)] = distribution.version
        for needed in map(Requirement, distribution.requires or []):
            marker = needed.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *wanted.extras)):
                waiting.append(f"{needed.name}[{','.join(sorted(needed.extras))}]")
    del found[PRODUCT]
    return found


def ask(service: list[str], versions: dict[str, str], *, timeout_s: float) -> dict[str, list[dict[str, Any]]]:
    """Return each distribution's advisories; raise NotAskedError where there is no answer for all of them."""
    with tempfile.TemporaryDirectory() as directory:
        pinned = Path(directory, "requirements.txt")
        pinned.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()))
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(pinned)]
        command += ["--no-deps", "--disable-pip"]
        command += ["--format", "json", "--progress-spinner", "off", "--timeout", "5", *service]
        command += [word for accepted in ACCEPTED for word in ("--ignore-vuln", accepted)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        except subprocess.TimeoutExpired:
            raise NotAskedError(f"no answer within {timeout_s:g} s") from None
    try:
        answers = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        lines = done.stderr.strip().splitlines()
        raise NotAskedError(lines[-1] if lines else f"pip-audit ended with {done.returncode}") from None
    skipped = [answer["skip_reason"] for answer in answers if "skip_reason" in answer]
    if skipped:
        raise NotAskedError(f"{len(skipped)} of {len(versions)} are not known to it: {skipped[0]}")
    if missing := set(versions) - {canonicalize_name(answer["name"]) for answer in answers}:
        raise NotAskedError(f"no answer for {', '.join(sorted(missing))}")
    return {canonicalize_name(answer["name"]): answer["vulns"] for answer in answers if answer["vulns"]}


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def main() -> int:
    """Ask one service after another until one answers, and say what it says."""
    parser = argparse.ArgumentParser(prog="audit", description=__doc__)
    parser.add_argument("--osv-url", help="ask this alone, which speaks OSV's protocol")
    parser.add_argument("--timeout-s", type=float, default=60, help="for each service, default 60")
    arguments = parser.parse_args()
    services = SERVICES
    if arguments.osv_url:
        services = {arguments.osv_url: [*SERVICES["OSV"], "--osv-url", arguments.osv_url]}
    versions, product = dependencies(development=True), set(dependencies())
    reasons = []
    for service, options in services.items():
        try:
            advisories = ask(options, versions, timeout_s=arguments.timeout_s)
        except NotAskedError as error:
            reasons.append(f"  {service}: {re.sub(r'[^ -~]', '?', str(error))[:300]}")
            continue
        for name, found in advisories.items():
            kind = "ERROR" if name in product else "a tool of the development alone"
            for advisory in found:
                fixed = ", ".join(advisory["fix_versions"]) or "no version"
                say(f"{name} {versions[name]}: {advisory['id']}, fixed by {fixed} ({kind})")
        holes = product & set(advisories)
        tools = len(versions) - len(product)
        say(
            f"The advisories of {service} know holes in {len(holes)} of the agent's {len(product)}"
            f" dependencies, and in {len(set(advisories) - product)} of {tools} tools."
        )
        return 1 if holes else 0
    say("*** NOT AUDITED: the advisories could not be asked, so nothing is known of the dependencies' holes.")
    for reason in reasons:
        say(reason)
    say("*** Run 'make audit' where pypi.org/pypi or api.osv.dev answers.")
    return NOT_ASKED


if __name__ == "__main__":
    sys.exit(main())
