"""What a class `Provider` must be, said of one that somebody wrote, and what it is made with.

Every fault is reported, and none shows a value. Knows `StorageProvider` and no YAML. Proved by
`tests/unit/bot/test_config_provider.py`.
"""

import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any, Literal, Union, get_args, get_origin

from backscroll.bot.config.faults import nearest
from backscroll.bot.config.keys import Key
from backscroll.storage.provider import StorageProvider
from backscroll.storage.provider.primitives import taken_names

ProviderClass = type[Any]
Report = Callable[[str, str], None]
"""Takes a fact and a hint."""

GUIDE = "docs/writing-a-provider.md"
TAKEN = ("type", "files")
"""Keys of `storage` that no constructor gets."""
SIX = ("get", "set", "delete", "append", "get_list", "query")


def as_class(found: Any, module: types.ModuleType, otherwise: str, report: Report) -> ProviderClass | None:
    """Return what a module has under the name `Provider` as a class, or None with a fault reported.

    Args: otherwise: the hint where nothing in the module looks like it.
    """
    if inspect.isclass(found):
        return found
    where = f"storage.type names {module.__name__},"
    if found is not None:
        report(f"{where} whose Provider is of type {type(found).__qualname__}, and no class.", "Make it a class.")
        return None
    own = [name for name, one in vars(module).items() if inspect.isclass(one) and one.__module__ == module.__name__]
    written = [name for name in own if issubclass(vars(module)[name], StorageProvider)]
    meant = written[0] if written else nearest("Provider", own)
    report(f"{where} which has no class Provider.", f"Rename {meant} there to Provider." if meant else otherwise)
    return None


def check_provider(provider: ProviderClass, module_name: str, report: Report) -> None:
    """Report each way in which a class cannot be a provider."""
    whose = f"storage.type names {module_name}, whose Provider"
    if not issubclass(provider, StorageProvider):
        hint = f"Write class Provider(StorageProvider), from backscroll.storage.provider; {GUIDE} shows one."
        report(f"{whose} is no StorageProvider.", hint)
        return
    lacks = sorted(provider.__abstractmethods__, key=lambda name: SIX.index(name) if name in SIX else len(SIX))
    if lacks:
        report(f"{whose} lacks {', '.join(lacks)}.", _renamed(provider, lacks) or f"Define each; {GUIDE} has all six.")
    if taken := taken_names(provider):
        report(f"{whose} has {', '.join(taken)}, which StorageProvider has for itself.", "Rename what is yours.")
    waiting = [name for name in _overridden(provider) if not _is_async(getattr(provider, name))]
    if waiting:
        report(f"{whose} has {', '.join(waiting)} without async.", "Define each with async def.")
    for name in SIX:
        if name not in lacks and name not in waiting and not _takes_as(getattr(provider, name), name):
            wanted = ", ".join(list(inspect.signature(getattr(StorageProvider, name)).parameters)[1:])
            report(f"{whose} has a {name} that cannot be called as {name}({wanted}).", "Give it these parameters.")


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
        if parameter.kind is parameter.POSITIONAL_ONLY or parameter.name in TAKEN:
            if is_required:
                fact = f"{provider.__module__}:Provider needs {parameter.name}, which no key of storage can give."
                report(fact, "Make it a keyword of another name, or give it a default.")
            continue
        annotation = parameter.annotation if _is_simple(parameter.annotation) else Any
        keys[parameter.name] = Key(annotation, is_required)
    return keys, any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def _renamed(provider: ProviderClass, lacks: list[str]) -> str | None:
    """Return a hint for what is there under a name that is not quite right."""
    own = [name for name in vars(provider) if name[:2] != "__" and not hasattr(StorageProvider, name)]
    meant = [(nearest(name, own), name) for name in lacks]
    renames = [f"{written} to {name}" for written, name in meant if written is not None]
    return f"Rename {', '.join(renames)}." if len(renames) == len(lacks) else None


def _overridden(provider: ProviderClass) -> Iterator[str]:
    """Give the calls of the contract that a class has its own of, the six first."""
    names = [name for name, _ in inspect.getmembers(StorageProvider, inspect.iscoroutinefunction) if name[0] != "_"]
    for name in (*SIX, *(name for name in names if name not in SIX)):
        if getattr(provider, name) is not getattr(StorageProvider, name):
            yield name


def _is_async(call: Any) -> bool:
    # What a decorator made may return what the async function under it does.
    return inspect.iscoroutinefunction(call) or (callable(call) and inspect.iscoroutinefunction(inspect.unwrap(call)))


def _takes_as(call: Any, name: str) -> bool:
    arguments = list(inspect.signature(getattr(StorageProvider, name)).parameters)
    try:
        inspect.signature(call).bind(*arguments)
    except (TypeError, ValueError):
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
