"""The importable contract has each claim once, runs in anybody's pytest, and runs on every provider of ours."""

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

from backscroll.testing import provider_contract

ROOT = Path(__file__).parents[3]
CONTRACT = ROOT / "tests/contract"
PLACE = "backscroll.testing.provider_contract"


def test_every_module_of_claims_is_shown() -> None:
    there = {path.stem for path in (ROOT / "backscroll/testing/provider_contract").glob("*.py")} - {"__init__"}
    told = [*provider_contract.NOUNS, *provider_contract.FIXTURES, *provider_contract.HELPERS]
    assert sorted(told) == sorted(there)


def test_every_module_of_claims_runs_on_our_providers() -> None:
    imported = {
        noun
        for path in CONTRACT.glob("test_*.py")
        for noun in re.findall(rf"^from {PLACE}\.(\w+) import \*", path.read_text(), re.MULTILINE)
    }
    assert imported == set(provider_contract.NOUNS)


def test_every_claim_is_shown_once() -> None:
    defined = [
        name
        for noun in provider_contract.NOUNS
        for name, found in vars(import_module(f"{PLACE}.{noun}")).items()
        if name.startswith("test_") and inspect.isfunction(found)
    ]
    assert len(defined) > 700
    assert sorted(defined) == sorted(name for name in provider_contract.__all__ if name.startswith("test_"))


@pytest.mark.parametrize("noun", provider_contract.NOUNS)
def test_fixtures_are_asked_for_and_need_no_mode(noun: str) -> None:
    # In one module with all the others, a fixture that runs by itself would run for each claim.
    code = (ROOT / f"backscroll/testing/provider_contract/{noun}.py").read_text()
    assert "autouse" not in code
    assert not re.search(r"@pytest\.fixture.*\nasync def", code), "say pytest_asyncio.fixture(loop_scope=…)"
