"""The code that a configuration names: the handler's function and the storage provider's class.

Imports it and says what is wrong with it, without the text of an exception (which may hold a value), and without the
name as written (which may come from the environment). Knows no YAML. Proved by `tests/unit/bot/test_config.py`.
"""

import importlib
import inspect
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from backscroll.bot.config.faults import nearest
from backscroll.bot.config.keys import Key

Handler = Callable[[Any], Any]
ProviderClass = type[Any]
Report = Callable[[str, str], None]
"""Takes a fact and a hint."""

_LOOKED_FOR = "It is looked for beside the configuration file and among the installed packages."
PROVIDERS = {"memory": "backscroll.storage.memory", "sql": "backscroll.storage.sql"}


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
    module, function = _imported(module_name, function_name, "bot.handler", directory, report)
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


def load_provider(name: str, directory: Path, report: Report) -> ProviderClass | None:
    """Return the class `Provider` of a built-in storage or of the module `name`, or None with a fault reported."""
    module_name = PROVIDERS.get(name, name)
    choices = f"{', '.join(PROVIDERS)}, or a module with a class Provider"
    if not _is_dotted(module_name):
        report(f"storage.type must be {choices}; got another text.", "Write for example type: sql.")
        return None
    meant = nearest(name, PROVIDERS)
    hint = f"Did you mean {meant}?" if meant and name not in PROVIDERS else None
    module, provider = _imported(module_name, "Provider", "storage.type", directory, report, hint=hint)
    if module is None:
        return None
    if not inspect.isclass(provider):
        report(f"storage.type names {module_name}, which has no class Provider.", hint or f"It must be {choices}.")
        return None
    if inspect.isabstract(provider):
        lacks = ", ".join(sorted(getattr(provider, "__abstractmethods__", ())))
        report(f"storage.type names {module_name}, whose Provider lacks {lacks}.", "Define what it lacks.")
        return None
    return provider


def keys_of_constructor(provider: ProviderClass, report: Report) -> tuple[dict[str, Key], bool]:
    """Return the keywords that a class is made with, and whether it takes any other keyword too.

    Annotations that are not simple, or cannot be evaluated, leave their keyword unchecked.
    """
    try:
        parameters = _signature(provider).parameters.values()
    except (ValueError, TypeError):  # A class written in C need not tell.
        return {}, True
    keys = {}
    for parameter in parameters:
        is_required = parameter.default is parameter.empty
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY or parameter.name == "type":
            if is_required:
                fact = f"{provider.__module__}:Provider needs {parameter.name}, which no key of storage can give."
                report(fact, "Make it a keyword of another name, or give it a default.")
            continue
        annotation = parameter.annotation if _is_simple(parameter.annotation) else Any
        keys[parameter.name] = Key(annotation, is_required)
    return keys, any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _imported(
    name: str, attribute: str, where: str, directory: Path, report: Report, *, hint: str | None = None
) -> tuple[types.ModuleType | None, Any]:
    """Return a module and what it has under a name, both None with a fault reported when it cannot be imported."""
    try:
        module = importlib.import_module(name)
        return module, getattr(module, attribute, None)
    # Somebody else's module may raise anything while it is imported; the exception's text may hold a secret.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            beside = nearest(name, [file.stem for file in directory.glob("*.py")])
            hint = hint or (f"Did you mean {beside}?" if beside else _LOOKED_FOR)
            report(f"{where} names a module that is not there.", hint)
        else:
            fact = f"{where} names a module that raised {type(error).__qualname__}{_place(error, directory)} at import."
            report(fact, "Import it in a Python shell, in the configuration's directory, to see why.")
        return None, None


def _place(error: BaseException, directory: Path) -> str:
    """Return where in the user's own files the error arose, else where at all."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}:{error.lineno})"
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    places = [place for place in places if place[0] not in (__file__, importlib.__file__) and place[0][:1] != "<"]
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


def _signature(provider: ProviderClass) -> inspect.Signature:
    try:
        return inspect.signature(provider, eval_str=True)
    # An annotation written as a text is evaluated here, and may name what is imported for type checkers alone.
    except Exception:  # noqa: BLE001
        return inspect.signature(provider)


def _is_simple(annotation: Any) -> bool:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return all(_is_simple(part) for part in parts)
    if origin in (list, frozenset):
        return all(_is_simple(part) and get_origin(part) not in (list, frozenset) for part in parts)
    return origin is Literal or annotation in (int, float, bool, str, type(None), None)
