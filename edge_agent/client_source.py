"""Writes the client's typed commands from the commands' declarations.

python -m edge_agent.client_source [--check]
"""

from __future__ import annotations

import ast
import keyword
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from edge_agent.catalogue import command_specs
from edge_agent.contract.command import CommandSpec
from edge_agent.feature import discover
from edge_agent.storage import write_atomically

__all__ = ["annotation_text", "commands_source", "main"]

_TARGET: Final = Path(__file__).with_name("client") / "commands.py"
_HEAD: Final = '''"""Every command of a node as a typed method.

Written by `make contract` from the commands' declarations: not by hand.
"""

from __future__ import annotations

from collections.abc import {collections}
{datetime}from typing import Any, Literal, Unpack

from edge_agent.client.reply import UNSET, Envelope, Reply, Unset

__all__ = ["NodeCommands"]


class NodeCommands:
    """The commands. What is left out is not sent; see `Envelope` for what every command takes."""

    async def send(self, command: str, arguments: Mapping[str, Any], /, **envelope: Any) -> Reply:
        """Send any command by its name."""
        raise NotImplementedError
'''
_PLAIN: Final = {int: "int", float: "float", str: "str", bool: "bool", type(None): "None", Any: "Any"}


def annotation_text(annotation: Any) -> str:
    """Return an annotation as a caller writes it: models are mappings to them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "Mapping[str, Any]"
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if annotation is datetime:
        return "datetime | str"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return annotation_text(arguments[0])
    if origin is Literal:
        return f"Literal[{', '.join(repr(argument) for argument in arguments)}]"
    if origin in (Union, types.UnionType):
        return _union(annotation_text(argument) for argument in arguments)
    if origin in (list, tuple, set, frozenset, Sequence):
        return f"Sequence[{annotation_text(arguments[0])}]"
    if origin in (dict, Mapping):
        return "Mapping[str, Any]"
    return "Any"


def _union(texts: Iterable[str]) -> str:
    # Null goes last, as people write it.
    distinct = dict.fromkeys(part for text in texts for part in _alternatives(text))
    return " | ".join(sorted(distinct, key=lambda text: text == "None"))


def _alternatives(text: str) -> list[str]:
    return text.split(" | ") if "[" not in text else [text]


def _method(spec: CommandSpec) -> str:
    fields = {info.alias or name: info for name, info in spec.arguments.model_fields.items()}
    # The main argument may be given without its name.
    names = sorted(fields, key=lambda name: name != spec.main)
    lines = [f"        {_own_name(name)}: {_parameter(fields[name])},\n" for name in names]
    lines.insert(0 if spec.main is None else 1, "        *,\n")
    parameters = "".join(lines if fields and names != [spec.main] else lines[:1] if fields else [])
    sent = ", ".join(f'"{name}": {_own_name(name)}' for name in fields)
    summary, _, rest = spec.description.partition(". ")
    description = f"{summary.removesuffix('.')}."
    if rest:
        description += "\n\n        " + fill(rest, 100, subsequent_indent="        ") + "\n        "
    return (
        f"\n    async def {spec.name}(\n        self,\n{parameters}"
        "        **envelope: Unpack[Envelope],\n    ) -> Reply:\n"
        f'        """{description}"""\n'
        f'        return await self.send("{spec.name}", {{{sent}}}, **envelope)\n'
    )


def _own_name(name: str) -> str:
    """Return an argument's name in Python: `from` is `from_`."""
    return f"{name}_" if keyword.iskeyword(name) else name


def _parameter(info: FieldInfo) -> str:
    text = annotation_text(info.annotation)
    return text if info.is_required() else f"{_optional(text)} = UNSET"


def _optional(text: str) -> str:
    return f"{text.removesuffix(' | None')} | Unset | None" if text.endswith(" | None") else f"{text} | Unset"


def commands_source(specs: Iterable[CommandSpec]) -> str:
    """Return the module's source, unformatted."""
    methods = "".join(_method(spec) for spec in sorted(specs, key=lambda spec: spec.name))
    head = _HEAD.replace("{collections}", "Mapping, Sequence" if "Sequence[" in methods else "Mapping")
    dated = "from datetime import datetime\n" if "datetime" in methods else ""
    return head.replace("{datetime}", dated) + methods


def main(arguments: Sequence[str]) -> int:
    """Write the module, or with `--check` say whether it is what the declarations say."""
    source = commands_source(command_specs(discover()))
    # By meaning: how it is formatted is the formatter's business.
    try:
        same = ast.dump(ast.parse(_TARGET.read_text())) == ast.dump(ast.parse(source))
    except (OSError, SyntaxError):
        same = False
    if same:
        return 0
    if "--check" in arguments:
        sys.stderr.write(f"{_TARGET} is not what the commands say: run 'make contract'\n")
        return 1
    write_atomically(_TARGET, source.encode(), mode=0o644)
    sys.stdout.write(f"{_TARGET} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
