"""What a shell offers for the names of consumers and types of events."""

import importlib.util
import pkgutil
from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem

from domain.catalogue import CATALOGUE


def event_types(_: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Types, and `file.*` for those of one concept."""
    families = {f"{type_.partition('.')[0]}.*": "all of these" for type_ in CATALOGUE}
    types = {type_: (event.__doc__ or "").partition("\n")[0] for type_, event in CATALOGUE.items()}
    return _beginning(incomplete, sorted((families | types).items()))


def consumers(_: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """By the names of their files, as everywhere: a shell that waits for an answer is not to wait for imports."""
    found = importlib.util.find_spec("consumers.handlers")
    places = found.submodule_search_locations if found else None
    return _beginning(incomplete, ((module.name, "") for module in pkgutil.iter_modules(places)))


def _beginning(incomplete: str, names: Iterable[tuple[str, str]]) -> list[CompletionItem]:
    return [CompletionItem(name, help=line) for name, line in names if name.startswith(incomplete)]
