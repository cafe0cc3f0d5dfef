"""docs/agents.md says what is there: its code runs."""

import re
from collections.abc import Iterator
from pathlib import Path

import agents
import pytest
from agents.models.multi_provider import MultiProvider
from agents.testing import ScriptedModel, assistant_message

PAGE = Path(__file__).parents[2] / "docs/agents.md"


@pytest.fixture
def untraced() -> Iterator[None]:
    """Keep the SDK's traces here."""
    agents.set_tracing_disabled(True)
    yield
    agents.set_tracing_disabled(False)


def printed(framework: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Run the page's program for a framework in an empty directory, and return what it printed."""
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if framework in block)
    exec(code, {"__name__": "__main__"})  # the page's own code
    return capsys.readouterr().out.splitlines()


def test_langgraph_code_goes_on_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert printed("langgraph", capsys) == ["Delete 3 files?", "yes"]


def test_openai_agents_code_remembers_and_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], untraced: None
) -> None:
    model = ScriptedModel([[assistant_message("Noted.")], [assistant_message("On Tuesday.")]])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(MultiProvider, "get_model", lambda *_: model)

    assert printed("openai_agents", capsys) == ["Noted.", "On Tuesday.", "['anna-1']"]
    assert "leaves on Tuesday" in str(model.calls[1].input)
