"""The code that a configuration names: the handler's function and the storage provider's class.

Imports it and says what is wrong with it, without the text of an exception (which may hold a value), and without a
name that comes from the environment. Knows no YAML. Proved by `tests/unit/bot/test_config.py` and
`test_config_provider.py`.
"""

import importlib
import inspect
import sys
import traceback
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backscroll.bot.config.faults import is_showable, nearest
from backscroll.bot.config.provider_class import ProviderClass, Report, as_class, check_provider

Handler = Callable[[Any], Any]

_LOOKED_FOR = "It is looked for beside the configuration file and among the installed packages."
PROVIDERS = {
    "memory": "backscroll.storage.memory",
    "sql": "backscroll.storage.sql",
    "redis": "backscroll.storage.redis",
}


def make_importable(directory: Path) -> None:
    """Put the directory in front of `sys.path`, unless it is on it."""
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))
    importlib.invalidate_caches()


def load_handler(name: str, directory: Path, report: Report) -> Handler | None:
    """Return the function that `module:function` names and that takes one `Turn`, or None with a fault reported."""
    module_name, colon, function_name = name.partition(":")
    if not colon or not _is_dotted(module_name) or not function_name.isidentifier():
        report("bot.handler must be module:function; got another text.", "Write for example mybot:answer.")
        return None
    module, function = _imported(_Named(module_name, "bot.handler", directory), function_name, report)
    if module is None:
        return None
    if function is None:
        functions = [key for key, value in vars(module).items() if inspect.isroutine(value) and not key.startswith("_")]
        meant = nearest(function_name, functions)
        hint = f"Did you mean {module_name}:{meant}?" if meant else "Define it there: async def answer(turn) -> str."
        report(f"bot.handler names a function that the module {module_name} does not have.", hint)
        return None
    if not callable(function) or inspect.isclass(function):
        kind = "a class" if inspect.isclass(function) else f"a value of type {type(function).__qualname__}"
        report(f"bot.handler must name a function; got {kind}.", "Define it with async def or def.")
        return None
    if not _takes_one(function):
        report(
            f"bot.handler names a function that cannot be called with one argument, the turn ({module_name}).",
            "Define it with one parameter: async def answer(turn) -> str.",
        )
        return None
    handler: Handler = function
    return handler


def load_provider(name: str, directory: Path, report: Report, *, is_shown: bool = True) -> ProviderClass | None:
    """Return the class `Provider` of a built-in storage or of the module `name`, or None with a fault reported.

    What is wrong with the class is reported too, and it is returned nevertheless: its keywords can be checked.

    Args: is_shown: the name may be shown, because it does not come from the environment.
    """
    module_name = PROVIDERS.get(name, name)
    choices = f"{', '.join(PROVIDERS)}, or a module with a class Provider"
    if not _is_dotted(module_name):
        report(f"storage.type must be {choices}; got another text.", "Write for example type: sql.")
        return None
    meant = nearest(name, PROVIDERS)
    hint = f"Did you mean {meant}?" if meant and name not in PROVIDERS else None
    named = _Named(module_name, "storage.type", directory, name if is_shown and is_showable(name) else None, hint)
    module, provider = _imported(named, "Provider", report)
    if module is None:
        return None
    found = as_class(provider, module, hint or f"It must be {choices}.", report)
    if found is not None and name not in PROVIDERS:
        check_provider(found, module_name, report)
    return found


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


@dataclass(frozen=True)
class _Named:
    """A module that a key of the configuration names. `shown`: the name, where it may be shown."""

    name: str
    where: str
    directory: Path
    shown: str | None = None
    hint: str | None = None
    """In place of the one that is found, for a module that is not there."""


def _imported(named: _Named, attribute: str, report: Report) -> tuple[types.ModuleType | None, Any]:
    """Return a module and what it has under a name, both None with a fault reported when it cannot be imported."""
    try:
        module = importlib.import_module(named.name)
        return module, getattr(module, attribute, None)
    # Somebody else's module may raise anything while it is imported; the exception's text may hold a secret.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        report(*_why(error, named))
        return None, None


def _why(error: BaseException, named: _Named) -> tuple[str, str]:
    """Return fact and hint for a module that cannot be imported."""
    where, place = named.where, place_of(error, named.directory)
    if not isinstance(error, ModuleNotFoundError) or not error.name or not _is_dotted(error.name):
        fact = f"{where} names a module that raised {type(error).__qualname__}{place} at import."
        return fact, "Import it in a Python shell, in the configuration's directory, to see why."
    if f"{named.name}.".startswith(f"{error.name}."):
        what = f"{named.shown}, which is not there" if named.shown else "a module that is not there"
        return f"{where} names {what}.", named.hint or _meant(named, error.name)
    fact = f"{where} names a module that imports {error.name}, which is not there{place}."
    if named.name in PROVIDERS.values():
        return fact, f"pip install 'backscroll[{named.name.rpartition('.')[2]}]' brings it."
    return fact, "Install it beside Backscroll, or correct the import."


def _meant(named: _Named, missing: str) -> str:
    """Return a hint for a module of which `missing`, itself or a package above it, is not there."""
    above, dot, last = missing.rpartition(".")
    folders = [named.directory]
    if above:
        folders = [Path(folder) for folder in getattr(sys.modules.get(above), "__path__", ())]
        if not folders:
            return f"{above} is a module, and no package; for a module inside, make it a directory."
    files = [file for folder in folders for file in folder.glob("*")]
    there = [file.stem for file in files if file.suffix == ".py" or (file.is_dir() and any(file.glob("*.py")))]
    meant = nearest(last, there)
    return f"Did you mean {above}{dot}{meant}{named.name[len(missing) :]}?" if meant else _LOOKED_FOR


def place_of(error: BaseException, directory: Path) -> str:
    """Return where in the user's own files an error arose, else where at all: ` (file:line)`.

    Nothing, when it arose in the very call that it was caught around.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}:{error.lineno})"
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)][1:]
    places = [place for place in places if place[0] != importlib.__file__ and place[0][:1] != "<"]
    own = [place for place in places if Path(place[0]).is_relative_to(directory)]
    return " ({}:{})".format(*(own or places)[-1]) if places else ""


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # A function written in C need not tell.
        return True
    try:
        signature.bind(object())
    except TypeError:
        return False
    return True
