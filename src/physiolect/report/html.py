"""One self-contained HTML file out of text, tables and figures: no scripts, nothing fetched."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LARGEST_SVG = 400_000
"""Bytes; a figure with more points than that is embedded as pixels."""
_NUMBER = re.compile(r"^[\s−+-]?[\d.,]+(e[+-]?\d+)?\s*%?(\s*\[.*\])?$")


class Report:
    """A page that grows downward; every method but `write` returns the report, so calls chain.

    Args:
        title: the page's heading.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[str] = []

    def text(self, text: str) -> Self:
        """Add paragraphs, parted by empty lines, in a small part of Markdown.

        Headings "# " and "## ", lists "- ", fenced blocks of code, **bold** and `code`; all else is shown as it is.
        """
        pieces = re.split(r"^```.*\n([\s\S]*?)^```[ \t]*$", text, flags=re.MULTILINE)
        for number, piece in enumerate(pieces):
            if number % 2:
                self._parts.append(f"<pre><code>{escape(piece.rstrip())}</code></pre>")
            else:
                self._parts += [_block(block) for block in re.split(r"\n\s*\n", piece) if block.strip()]
        return self

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> Self:
        """Add a table; columns that hold only numbers are set to the right.

        Raises:
            ValueError: a row has another length than the headers.
        """
        cells = [[f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
        for row in cells:
            if len(row) != len(headers):
                raise ValueError(f"a row of {len(row)} cells under {len(headers)} headers: {row}")
        columns = list(zip(*cells, strict=True)) if cells else [()] * len(headers)
        kinds = [
            ' class="number"' if column and all(_NUMBER.match(c) for c in column) else ""
            for column in columns
        ]

        def line(tag: str, row: Sequence[str]) -> str:
            filled = (f"<{tag}{kind}>{_inline(cell)}</{tag}>" for kind, cell in zip(kinds, row, strict=True))
            return f"<tr>{''.join(filled)}</tr>"

        body = "\n".join(line("td", row) for row in cells)
        self._parts.append(
            f'<div class="table"><table>{f"<caption>{_inline(caption)}</caption>" if caption else ""}\n'
            f"<thead>{line('th', headers)}</thead>\n<tbody>\n{body}\n</tbody></table></div>"
        )
        return self

    def figure(self, figure: Figure, caption: str = "") -> Self:
        """Add a figure as it looks now, with its caption, which also stands in for it where it cannot be seen."""
        below = f"<figcaption>{_inline(caption)}</figcaption>" if caption else ""
        self._parts.append(f'<figure><img src="{_picture(figure)}" alt="{escape(caption)}">{below}</figure>')
        return self

    def html(self) -> str:
        """Return the page."""
        title = escape(self.title)
        style = (files(__package__) / "style.css").read_text(encoding="utf-8")
        body = "\n".join(self._parts)
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            # Should anything slip through escaping, it may neither run nor fetch.
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
            "img-src data:; style-src 'unsafe-inline'\">\n"
            f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n"
            f"<body>\n<h1>{title}</h1>\n{body}\n</body>\n</html>\n"
        )

    def write(self, path: str | Path) -> Path:
        """Write the page to `path`, whose folder is made if need be, and return it."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.html(), encoding="utf-8")
        return path


def _block(block: str) -> str:
    """Return the HTML of what stands between empty lines."""
    lines = block.strip().splitlines()
    heading = re.match(r"(#{1,2}) +(.*)", lines[0])
    if heading:
        tag = f"h{len(heading[1]) + 1}"
        rest = "\n".join(lines[1:])
        return f"<{tag}>{_inline(heading[2])}</{tag}>" + (f"\n{_block(rest)}" if rest else "")
    if all(line.startswith("- ") for line in lines):
        return "<ul>" + "".join(f"<li>{_inline(line[2:])}</li>" for line in lines) + "</ul>"
    return f"<p>{_inline(' '.join(lines))}</p>"


def _inline(text: str) -> str:
    """Return escaped text with its **bold** and `code` marked; what is in code stays as it is."""
    parts = re.split(r"`([^`]+)`", escape(text))
    parts[::2] = [re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", part) for part in parts[::2]]
    parts[1::2] = [f"<code>{part}</code>" for part in parts[1::2]]
    return "".join(parts)


def _picture(figure: Figure) -> str:
    """Return a figure as a data address: an image of its own, so that no two figures share names."""
    drawing = io.BytesIO()
    figure.savefig(drawing, format="svg", metadata={"Date": None})
    kind = "svg+xml"
    if drawing.tell() > _LARGEST_SVG:
        drawing, kind = io.BytesIO(), "png"
        figure.savefig(drawing, format="png", dpi=200)
    return f"data:image/{kind};base64,{base64.b64encode(drawing.getvalue()).decode('ascii')}"
