"""The Python of README.md and docs/bindings.md, as it is written there."""
import doctest
import pathlib
import re

import libalign
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]


def test_readme_says_what_it_prints():
    """The first Python block of README is five lines or fewer; a comment says what is printed."""
    block = re.search(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)[1]
    said, printed = re.search(r"# (.*)$", block)[1], []
    exec(block, {"print": lambda *words: printed.append(" ".join(map(str, words)))})
    assert len(block.strip().splitlines()) <= 5 and printed == [said]


@pytest.mark.parametrize("page", ["README.md", "docs/bindings.md"])
def test_examples_with_answers(page):
    section = (ROOT / page).read_text()
    if page == "docs/bindings.md":
        section = re.search(r"^## Python$.*?(?=^## |\Z)", section, re.MULTILINE | re.DOTALL)[0].replace("```", "")
    test = doctest.DocTestParser().get_doctest(section, {}, page, page, 0)
    assert len(test.examples) > 5 or page == "README.md"
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed == 0


def test_page_names_what_the_package_has():
    page = (ROOT / "docs/bindings.md").read_text()
    assert [name for name in libalign.__all__ if f"la.{name}" not in page] == []
