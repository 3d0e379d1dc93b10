"""The checker of links: it finds what is dead, and leaves alone what is no link."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.markdown_links import find_anchors, find_dead_links, find_links

OTHER = '# Other page\n\n## The `x` key\n\n## Again\n\n## Again\n\nBelow\n-----\n\n<a id="by-hand"></a>\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "docs").mkdir(parents=True)
    (tmp_path / "outside.md").touch()
    (tmp_path / "root" / "docs" / "other page.md").write_text(OTHER)
    (tmp_path / "root" / "docs" / "other.md").write_text(OTHER)
    (tmp_path / "root" / "docs" / "code.py").touch()
    (tmp_path / "root" / "docs" / "run_(1).svg").touch()
    return tmp_path / "root"


def dead(root: Path, text: str) -> list[str]:
    page = root / "docs" / "page.md"
    page.write_text(text)
    return [found.removeprefix("docs/page.md:") for found in find_dead_links(page, root)]


@pytest.mark.parametrize(
    "text",
    [
        "[a](other.md) [b](other.md#the-x-key) [c](#here)\n\n# Here\n",
        "[a](other.md#again) [b](other.md#again-1) [c](other.md#below) [d](other.md#by-hand)",
        "[a `b[0]` [c]](other.md 'a title') ![i](<other page.md>) [e](other%20page.md#other-page)",
        "![a picture](run_(1).svg) [a folder](../docs) [lines](code.py#L1-L3)",
        "[a][there] and [there][]\n\n[there]: other.md\n",
        "<a href='other.md'>a</a> <img src=\"other.md\">",
        "[a](https://example.org/x#y) <https://example.org> [b](http://127.0.0.1:4200/api) [c](mailto:a@example.org)",
        "`[no](link.md)` and ``[no](`link`.md)``\n\n```md\n[no](link.md)\n```\n\n<!-- [no](link.md) -->\n",
        "- a list\n\n  ```md\n  [no](link.md)\n  ```\n\n~~~\n[no](link.md)\n```\n~~~\n",
        "a[0] (no link), [ ] a box, `x`[1]",
    ],
)
def test_what_leads_somewhere_or_is_no_link_is_left_alone(root: Path, text: str) -> None:
    assert [] == dead(root, text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\n[a](gone.md)", "2: gone.md: there is no such file"),
        ("[a](other.md#gone)", "1: other.md#gone: there is no such heading"),
        ("[a](#gone)\n# Here", "1: #gone: there is no such heading"),
        ("[a](other.md#again-2)", "1: other.md#again-2: there is no such heading"),
        ("[a](other.md#The-x-key)", "1: other.md#The-x-key: there is no such heading"),
        ("![a picture](gone.svg)", "1: gone.svg: there is no such file"),
        ("[`a[0]`](gone.md)", "1: gone.md: there is no such file"),
        ("[a [b]](gone.md 'title')", "1: gone.md: there is no such file"),
        ("[a](<gone page.md>)", "1: gone page.md: there is no such file"),
        ("[two\nlines](gone.md)", "1: gone.md: there is no such file"),
        ("[a][nowhere]", "1: [nowhere]: nobody says where that is"),
        ("[there]: gone.md", "1: gone.md: there is no such file"),
        ("<a href='gone.md'>a</a>", "1: gone.md: there is no such file"),
        ("[a](../../outside.md)", "1: ../../outside.md: there is no such file"),
        ("[a](/docs/other.md)", "1: /docs/other.md: expected a path from the page"),
        ("[a](http://example.org)", "1: http://example.org: expected https"),
        ("[a](htps://example.org)", "1: htps://example.org: expected https"),
        ("[a](https://)", "1: https://: expected https"),
        ("[a](code.py#f)", "1: code.py#f: only Markdown has anchors"),
        ("[a]()", "1: : empty"),
        ("```md\n[no](link.md)\n```\n\n[a](gone.md)", "5: gone.md: there is no such file"),
    ],
)
def test_what_leads_nowhere_is_told_with_its_line(root: Path, text: str, told: str) -> None:
    assert told in dead(root, text)


def test_the_heading_of_an_example_is_none() -> None:
    assert {"real"} == find_anchors("# Real\n\n```sh\n# not real\n```\n")


def test_links_come_in_the_order_of_the_page() -> None:
    assert ["b", "a", "c"] == [link.target for link in find_links("<a href='b'>x</a> [x](a)\n\n[y]: c\n")]
