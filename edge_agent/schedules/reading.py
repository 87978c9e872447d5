"""The schedules of a configuration, judged without an agent: for `check`, and to look ahead."""

from __future__ import annotations

from collections.abc import Callable

from edge_agent.config import Configuration
from edge_agent.contract.commands import refuse_denied
from edge_agent.contract.validation import validate
from edge_agent.errors import RefusedError, suggestion
from edge_agent.profiles.config import ProfilesConfig
from edge_agent.profiles.library import Library
from edge_agent.schedules.book import Book, runs_another
from edge_agent.schedules.place import place_of
from edge_agent.schedules.plan import Planned
from edge_agent.schedules.schedule import Schedule
from edge_agent.schedules.store import Store, saved_path

__all__ = ["faults", "read_book"]


def read_book(configuration: Configuration) -> tuple[Book, list[Planned], list[str]]:
    """Return all schedules, those that can be carried out with their times, and what is wrong.

    It blocks for the disk and changes nothing. Raises ConfigError where the place cannot be used.
    """
    config = configuration.section("profiles", ProfilesConfig)
    store = Store(path=saved_path(configuration.state_dir))
    damaged = store.load(set_aside=False)
    book = Book.read(directories=config.directories, saved=store.saved, place=place_of(config))
    plans, wrong = book.judged(_judge(configuration))
    return book, plans, [*book.file_problems, *([damaged] if damaged else []), *wrong.values()]


def faults(configuration: Configuration) -> list[str]:
    """Return what is wrong with the schedules, each with file, line and key."""
    return read_book(configuration)[2]


def _judge(configuration: Configuration) -> Callable[[Schedule], RefusedError | None]:
    from edge_agent.catalogue import command_specs  # noqa: PLC0415 - knows everything; only where nothing runs
    from edge_agent.feature import discover  # noqa: PLC0415 - see above

    config = configuration.section("profiles", ProfilesConfig)
    library = Library(directories=config.directories, saved=configuration.state_dir / "profiles")
    library.load()
    specs = {spec.name: spec for spec in command_specs(discover())}
    deny = frozenset(configuration.commands.deny)

    def refuse(schedule: Schedule) -> None:
        if schedule.profile is not None:
            library.profiles.wanted(schedule.profile)
            return
        name, arguments = str(schedule.command), schedule.arguments
        refuse_denied(name, deny)
        if name not in specs:
            raise RefusedError(
                f"there is no command '{name}'{suggestion(name, specs)}", code="unknown_command"
            )
        given = {} if arguments is None else arguments
        validate(specs[name].arguments, given if isinstance(given, dict) else specs[name].from_bare(given))

    def judge(schedule: Schedule) -> RefusedError | None:
        try:
            refuse(schedule)
        except RefusedError as error:
            return error
        return runs_another(schedule)

    return judge
