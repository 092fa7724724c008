from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from physiolect.report import Report

VOID = {"meta", "img"}


class Page(HTMLParser):
    """What stands in a page: elements (checked to close in order), words and addresses."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words = ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += data


def small_figure(n_points: int = 10) -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot(np.random.default_rng(0).random(n_points), ".")
    return figure


def test_a_report_is_one_file_that_fetches_and_runs_nothing(tmp_path: Path) -> None:
    report = Report("Demo").text("Words.").table(["a"], [[1]]).figure(small_figure(), "A figure.")
    path = report.write(tmp_path / "new" / "report.html")
    page = Page(path.read_text(encoding="utf-8"))
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert "url(" not in path.read_text(encoding="utf-8")


def test_text_knows_headings_lists_bold_and_code() -> None:
    html = (
        Report("t")
        .text("# One\nright below\n\n## Two\n\n- first\n- **second**\n\nplain `x < y` words")
        .html()
    )
    assert "<h2>One</h2>\n<p>right below</p>" in html
    assert "<h3>Two</h3>" in html
    assert "<ul><li>first</li><li><strong>second</strong></li></ul>" in html
    assert "<p>plain <code>x &lt; y</code> words</p>" in html


def test_fenced_code_is_kept_as_it_is() -> None:
    html = Report("t").text("Before\n\n```sh\nrun **this** --a <b>\n\n# not a heading\n```\n\nafter").html()
    assert "<pre><code>run **this** --a &lt;b&gt;\n\n# not a heading</code></pre>" in html
    assert "<p>after</p>" in html


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab<>&\"'`*#- \n/=!;", max_size=40))
def test_nothing_handed_over_becomes_markup(text: str) -> None:
    hostile = f"{text}<script>alert(1)</script><img src=x onerror=y>"
    report = Report(hostile).text(hostile).table([hostile], [[hostile]], hostile)
    page = Page(report.html())
    assert "script" not in page.tags
    assert "img" not in page.tags
    allowed = "html head meta title style body h1 h2 h3 p ul li strong code pre div table caption thead tbody tr th td"
    assert set(page.tags) <= set(allowed.split())
    assert "<script>alert(1)</script>" in page.words


def test_a_caption_cannot_leave_its_attribute() -> None:
    page = Page(Report("t").figure(small_figure(), '" onload="alert(1)').html())
    assert page.tags.count("img") == 1
    assert '" onload="alert(1)' in page.words


def test_numbers_stand_right_and_words_left() -> None:
    html = Report("t").table(["name", "nats"], [["AR(2)", 1.23456], ["unigram", "3.4 [3.2, 3.6]"]]).html()
    assert '<th>name</th><th class="number">nats</th>' in html
    assert '<td>AR(2)</td><td class="number">1.235</td>' in html


def test_a_row_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="1 cells under 2 headers"):
        Report("t").table(["a", "b"], [["x"]])


@pytest.mark.parametrize(
    ("n_points", "kind", "start"), [(10, "svg+xml", b"<?xml"), (20_000, "png", b"\x89PNG")]
)
def test_a_figure_is_lines_unless_it_has_too_many(n_points: int, kind: str, start: bytes) -> None:
    html = Report("t").figure(small_figure(n_points)).html()
    (found,) = re.findall(r'src="data:image/([^;]+);base64,([^"]+)"', html)
    assert found[0] == kind
    assert base64.b64decode(found[1]).startswith(start)


def test_light_dark_and_paper_are_provided_for() -> None:
    html = Report("t").html()
    for part in ("prefers-color-scheme: dark", "@media print", "Content-Security-Policy", 'lang="en"'):
        assert part in html
