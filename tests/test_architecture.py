"""Who may import whom, what may be loaded where, and what every module is: held by reading the sources.

An import inside a function or under TYPE_CHECKING counts like any other: it is knowledge of the other part.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import edge_agent

ROOT = Path(edge_agent.__file__).parent
TOP = "edge_agent"

_GROUND = {TOP, "clock", "errors", "saving", "storage", "masking", "pulse", "turns"}
_FEATURE = {*_GROUND, "config", "contract", "feature", "mqtt.message"}

# What each part may know. A part is a top-level module or package; a few parts of packages stand alone.
# A name like `mqtt.message` allows that one module of the part and nothing else of it.
ALLOWED: dict[str, set[str]] = {
    # the ground: knows nothing but itself
    TOP: set(),
    "errors": set(),
    "clock": set(),
    "masking": set(),
    "pulse": set(),
    "tls": set(),
    "https": set(),
    "turns": {"clock"},
    "storage": {"errors"},
    "saving": {"clock", "errors"},
    # one subject each
    "mqtt": {"clock", "errors", "pulse", "tls", "turns"},
    "processes": {"clock", "errors", "turns"},
    "configuration": {"errors", "masking", "stream.config", "stream.url"},
    "config": {"configuration", "errors", "mqtt.config"},
    "contract": {*_GROUND, "mqtt.message"},
    # the camera and its stream: the frame loop feeds the packet server, which knows a driver's packets
    "camera.drivers": {*_GROUND, "camera.settings", "camera.capabilities", "camera.presets",
                       "contract.validation"},
    # the settings check the overlay's text; what draws it is loaded in the camera's process only
    "camera.overlay": {*_GROUND, "camera.settings", "camera.capabilities"},
    "camera": {*_GROUND, "camera.drivers", "camera.overlay", "contract", "health.problems", "processes",
               "stream.packets", "stream.packet_server"},
    "stream": {*_GROUND, "camera.drivers.base", "camera.messages", "contract", "health.problems", "https",
               "processes", "tls"},
    # features: the contract, and each other's narrow interfaces
    "feature": {*_FEATURE, "camera.port", "health.problems", "mqtt.validity"},
    "health": _FEATURE,
    "home_assistant": {*_FEATURE, "stream.viewing"},
    "identify": _FEATURE,
    "logs": _FEATURE,
    "profiles": {*_FEATURE, "camera.capabilities", "camera.commands", "camera.limits", "camera.patches",
                 "camera.port", "camera.settings", "configuration"},
    "desired": {*_FEATURE, "camera.patches", "camera.port", "camera.settings"},
    "schedules": {*_FEATURE, "configuration", "profiles.config", "schedules.reading"},
    # judges schedules where no agent runs, so it knows everybody's commands
    "schedules.reading": {*_FEATURE, "catalogue", "profiles.config", "profiles.library", "schedules"},
    "snapshots.upload": {*_GROUND, "config", "contract", "health.problems", "snapshots.picture", "tls"},
    "snapshots": {*_FEATURE, "camera.messages", "camera.settings", "snapshots.upload", "snapshots.video"},
    # a process of its own
    "snapshots.thumbnail_worker": set(),
    # a process of its own, too
    "snapshots.video": set(),
    "timelapse": {*_FEATURE, "profiles.config", "schedules.place"},
    "security": {*_FEATURE, "mqtt.tls", "mqtt.validity"},
    "updates": {*_FEATURE, "https"},
    # the agent builds everything
    "system": {"contract"},
    "assembly": {*_GROUND, "camera", "config", "contract", "health", "stream"},
    "agent": {*_GROUND, "assembly", "camera", "config", "contract", "feature", "health", "mqtt", "processes",
              "stream", "system"},
    # the door: what people see
    "catalogue": {*_GROUND, "asyncapi", "camera", "contract", "desired.document", "documents", "feature",
                  "reference", "stream", "system"},
    "asyncapi": {*_GROUND, "contract"},
    "reference": {"asyncapi", "contract", "health.codes"},
    "documents": {*_GROUND, "camera", "contract", "feature", "health.feature", "health.problems", "stream"},
    "released": {"contract", "errors"},
    "client": {"clock", "contract.reply", "contract.topics", "errors", "mqtt"},
    "client_source": {"catalogue", "contract", "feature", "storage"},
    "console.completion": {"contract"},
    "console": {*_GROUND, "config", "contract.reply", "feature", "mqtt"},
    "console.schedule": {"config", "schedules", "schedules.reading"},
    "console.schedule_picture": {"schedules"},
    "console.doctor": {*_GROUND, "camera.drivers", "config", "console", "contract.topics", "feature",
                       "health.machine", "mqtt", "security", "stream.server_api", "stream.url",
                       "stream.viewing", "updates.config", "updates.helper"},
    "console.run": {*_GROUND, "agent", "config", "feature", "logs.formatting"},
    "demo": {*_GROUND, "config", "console", "profiles.feature"},
    # a tool that shows what a camera does to its picture, without an agent
    "demo.contact_sheet": {*_GROUND, "camera", "camera.drivers", "camera.overlay"},
    "console.loading": {"config", "errors", "feature", "stream.support", "stream.url"},
    "cli": {*_GROUND, "camera.drivers.registry", "catalogue", "cli_contract", "config", "console",
            "console.doctor", "console.loading", "console.run", "console.schedule",
            "console.schedule_picture", "demo", "feature"},
    "cli_contract": {"catalogue", "console.completion", "feature", "released"},
    "__main__": {"cli"},
}  # fmt: skip

# Foreign packages, and the only parts that know them.
FOREIGN: dict[str, set[str]] = {
    "paho": {"mqtt"},
    "typer": {"cli", "cli_contract"},
    "rich": {"cli", "console", "console.schedule", "demo"},
    "amqtt": {"demo"},
    "apscheduler": {"schedules"},
    "astral": {"profiles", "schedules"},
    "gpiozero": {"profiles"},
    "psutil": {"health"},
    "requests": {"https", "snapshots.upload", "stream", "updates"},
    "urllib3": {"snapshots.upload", "stream"},
    "yaml": {"catalogue", "configuration", "profiles", "demo", "released"},
    "av": {
        "camera",
        "camera.drivers",
        "camera.overlay",
        "stream",
        "demo",
        "demo.contact_sheet",
        "snapshots.video",
    },
    "numpy": {"camera.drivers", "camera.overlay"},
    "PIL": {
        "camera",
        "camera.drivers",
        "camera.overlay",
        "console.schedule_picture",
        "demo.contact_sheet",
        "snapshots.thumbnail_worker",
    },
    "picamera2": {"camera.drivers"},
    "libcamera": {"camera.drivers"},
}

GENERATED = f"{TOP}.client.commands"

# Too heavy for the process that waits for commands on a Pi Zero.
HEAVY = ("av", "numpy", "PIL", "requests", "rich", "typer", "picamera2", "libcamera", "amqtt")


@dataclass(frozen=True)
class Import:
    """One imported name; `target` is the module it is taken from."""

    source: str
    target: str
    name: str | None
    line: int
    at_run_time: bool

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


@cache
def _modules() -> dict[str, Path]:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = (TOP, *path.relative_to(ROOT).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_modules()[module].read_text())


def _inside(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def _local(module: str) -> str:
    return module.removeprefix(TOP + ".")


def _part(module: str) -> str:
    """Return the part of the table that a module belongs to: the longest that fits."""
    local = _local(module)
    return max((part for part in ALLOWED if _inside(local, part)), key=len, default=local)


@cache
def _imports(module: str) -> tuple[Import, ...]:
    return tuple(_found(module, _tree(module), at_run_time=True))


def _found(module: str, node: ast.AST, *, at_run_time: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(module, alias.name, None, child.lineno, at_run_time)
        elif isinstance(child, ast.ImportFrom):
            if child.level:
                raise AssertionError(f"{module}:{child.lineno}: imports are written in full here")
            for alias in child.names:
                submodule = f"{child.module}.{alias.name}"
                if submodule in _modules():
                    yield Import(module, submodule, None, child.lineno, at_run_time)
                else:
                    yield Import(module, str(child.module), alias.name, child.lineno, at_run_time)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from _found(module, child, at_run_time=False)
        else:
            later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from _found(module, child, at_run_time=at_run_time and not later)


def _all_imports() -> Iterator[Import]:
    for module in _modules():
        yield from _imports(module)


def _own() -> Iterator[Import]:
    return (found for found in _all_imports() if _inside(found.target, TOP))


def _breaks_the_table(found: Import) -> bool:
    part, target = _part(found.source), _local(found.target)
    if _part(found.target) == part:
        return False
    allowed = ALLOWED.get(part, set())
    # A part that stands alone inside a package is not allowed by the package's name.
    return _part(found.target) not in allowed and not any(
        _inside(target, name) for name in allowed if name not in ALLOWED
    )


def test_every_module_belongs_to_a_part_of_the_table() -> None:
    assert {module for module in _modules() if _part(module) not in ALLOWED} == set()
    assert {part for part in ALLOWED if not any(_part(module) == part for module in _modules())} == set()


def test_imports_point_one_way() -> None:
    assert [str(found) for found in _own() if _breaks_the_table(found)] == []


def test_the_table_can_say_no() -> None:
    def breaks(source: str, target: str) -> bool:
        return _breaks_the_table(Import(f"{TOP}.{source}", f"{TOP}.{target}", None, 1, at_run_time=True))

    assert breaks("mqtt.link", "camera.settings")
    assert breaks("mqtt.link", "config")
    assert breaks("contract.status", "stream.service")
    assert breaks("contract.status", "mqtt.link")
    assert breaks("camera.drivers.file.driver", "mqtt.message")
    assert breaks("camera.drivers.file.driver", "camera.service")
    assert breaks("snapshots.feature", "profiles.feature")
    assert breaks("snapshots.feature", "camera.service")
    assert breaks("cli", "agent")
    assert breaks("console.watch", "agent")
    assert breaks("console.watch", "console.run")
    assert not breaks("console.run", "agent")
    assert not breaks("contract.status", "mqtt.message")


def test_only_the_command_that_runs_it_imports_the_agent() -> None:
    assert {found.source for found in _own() if found.target == f"{TOP}.agent"} == {f"{TOP}.console.run"}


def test_no_module_imports_itself_by_a_detour() -> None:
    """Held at run time only: a type may be known both ways."""
    graph: dict[str, set[str]] = {module: set() for module in _modules()}
    for found in _own():
        if found.at_run_time and found.target in graph:
            graph[found.source].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("package", FOREIGN)
def test_a_foreign_package_is_known_in_its_place_only(package: str) -> None:
    knowing = {found.source for found in _all_imports() if _inside(found.target, package)}
    assert {module for module in knowing if _part(module) not in FOREIGN[package]} == set()


def _loaded_by(*modules: str) -> set[str]:
    """Import the modules in a Python of their own and return everything that is loaded then."""
    program = f"import sys, json, {', '.join(modules)}; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=50
    )
    return set(json.loads(ran.stdout))


def _loaded_in(loaded: set[str], packages: tuple[str, ...]) -> list[str]:
    return sorted(name for name in loaded if any(_inside(name, package) for package in packages))


def test_the_agent_with_all_its_features_loads_nothing_heavy() -> None:
    features = [entry.module for entry in entry_points(group="edge_agent.features")]
    assert len(features) >= 3
    loaded = _loaded_by("edge_agent.agent", *features)
    assert "paho" in loaded
    assert _loaded_in(loaded, (*HEAVY, "edge_agent.camera.drivers.simulated", "edge_agent.cli")) == []


def test_the_publisher_loads_no_more_than_it_needs() -> None:
    loaded = _loaded_by("edge_agent.stream.publisher")
    unwanted = (
        "pydantic",
        "asyncio",
        "paho",
        "yaml",
        "edge_agent.mqtt",
        "edge_agent.contract",
        "edge_agent.camera",
    )
    assert _loaded_in(loaded, unwanted) == []


def test_the_camera_s_process_knows_nothing_of_mqtt() -> None:
    loaded = _loaded_by("edge_agent.camera.process", "edge_agent.camera.drivers.simulated")
    assert _loaded_in(loaded, ("paho", "edge_agent.mqtt", "edge_agent.agent", "edge_agent.config")) == []


def test_help_is_quick_to_load() -> None:
    loaded = _loaded_by("edge_agent.cli")
    assert _loaded_in(loaded, ("av", "numpy", "PIL", "edge_agent.agent", "edge_agent.demo")) == []


@pytest.mark.parametrize("module", _modules())
def test_a_module_is_short_and_says_what_it_is(module: str) -> None:
    source = _modules()[module].read_text()
    # One that is written by a tool is as long as what it is written from.
    assert source.count("\n") <= 400 or module == GENERATED
    assert ast.get_docstring(_tree(module))
    asserts = [node.lineno for node in ast.walk(_tree(module)) if isinstance(node, ast.Assert)]
    assert asserts == [], "an assert is gone under -O: raise instead"


def _bound_names(node: ast.Module) -> set[str]:
    """Return what the module's top level binds."""
    names: set[str] = set()
    for statement in node.body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(statement.name)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            for name in ast.walk(statement):
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                    names.add(name.id)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in statement.names)
    return names


def _exported(module: str) -> list[str] | None:
    for statement in _tree(module).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            exported: list[str] = ast.literal_eval(statement.value)
            return exported
    return None


@pytest.mark.parametrize(
    "module", [name for name in _modules() if _bound_names(_tree(name)) - {"annotations"}]
)
def test_a_module_names_what_it_offers(module: str) -> None:
    exported = _exported(module)
    if module == f"{TOP}.__main__":
        return
    assert exported is not None, "a module says what it offers in __all__"
    assert set(exported) <= _bound_names(_tree(module))
    assert len(exported) == len(set(exported))


def test_modules_take_from_each_other_only_what_is_offered() -> None:
    taken = (found for found in _own() if found.name is not None and found.target in _modules())
    assert [
        f"{found}.{found.name}" for found in taken if found.name not in (_exported(found.target) or [])
    ] == []
