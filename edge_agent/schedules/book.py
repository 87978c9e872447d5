"""All schedules of a node, from its files and saved ones, with their times; and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from edge_agent.errors import ConfigError, RefusedError
from edge_agent.schedules.files import Entry, read_schedules
from edge_agent.schedules.place import Place
from edge_agent.schedules.plan import Planned
from edge_agent.schedules.schedule import Schedule
from edge_agent.schedules.store import Saved

__all__ = ["Book", "Judge", "runs_another"]

# Says why a schedule's profile or command cannot be, None where it can; and which key is wrong.
Judge = Callable[[Schedule], RefusedError | None]


class Book:
    """What there is. `problems` is what the files hold beside; it takes no part in anything."""

    def __init__(
        self, *, files: Mapping[str, Entry], saved: Saved, place: Place, problems: Sequence[str] = ()
    ) -> None:
        self.place = place
        self.version = saved.version
        self.files = dict(files)
        self.file_problems = list(problems)
        self.entries: dict[str, Entry] = {}
        for name, entry in self.files.items():
            if name not in saved.schedules:
                on = saved.switches.get(name, entry.schedule.enabled)
                schedule = entry.schedule.model_copy(update={"enabled": on})
                self.entries[name] = Entry(
                    schedule=schedule, source="file", path=entry.path, layer=entry.layer
                )
        for name, schedule in saved.schedules.items():
            self.entries[name] = Entry(schedule=schedule, source="saved", path="")
        self.wrong: dict[str, str] = {}
        self.plans: dict[str, Planned] = {}
        for order, (name, entry) in enumerate(self.entries.items()):
            if not entry.schedule.enabled:
                continue
            try:
                self.plans[name] = Planned(entry.schedule, place=place, order=order)
            except ConfigError as error:
                self.wrong[name] = f"{entry.where(error.field)}: {error.message}"

    @classmethod
    def read(cls, *, directories: Iterable[Path], saved: Saved, place: Place) -> Book:
        """Read the files. It blocks for the disk."""
        files, problems = read_schedules(directories)
        return cls(files=files, saved=saved, place=place, problems=problems)

    def with_saved(self, saved: Saved) -> Book:
        """Return the same files with other saved schedules."""
        return Book(files=self.files, saved=saved, place=self.place, problems=self.file_problems)

    def judged(self, judge: Judge) -> tuple[list[Planned], dict[str, str]]:
        """Return which schedules can be carried out, and by name what is wrong with the others."""
        good: list[Planned] = []
        wrong = dict(self.wrong)
        for name, planned in self.plans.items():
            error = judge(planned.schedule)
            if error is None:
                good.append(planned)
                continue
            entry = self.entries[name]
            key = "profile" if planned.schedule.profile else "arguments" if error.field else "command"
            written = _hint(error) if entry.source == "file" else ""
            wrong[name] = f"{entry.where(key)}: {key}: {error.message}{written}"
        return good, wrong


def runs_another(schedule: Schedule) -> RefusedError | None:
    """Return why a schedule may not run schedules, itself among them."""
    arguments = schedule.arguments
    action = arguments.get("action") if isinstance(arguments, Mapping) else arguments
    if schedule.command != "schedule" or action != "run_now":
        return None
    return RefusedError(
        "a schedule that runs schedules would go in circles; let it do the same itself",
        code="loop",
        field="arguments",
    )


def _hint(error: RefusedError) -> str:
    """Return what may have happened to a value on its way through YAML."""
    if isinstance(error.value, bool):
        return "; in YAML, on and off as words need quotes"
    return ""
