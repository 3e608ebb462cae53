"""Markdown of the page's texts as HTML: what a name holds is shown as it is, never run and never fetched.

Names of columns, states, models, and atoms come from files that others wrote, and from links.
"""

from __future__ import annotations

import functools
import re

from markdown_it import MarkdownIt

# what would let a name format the text around it
_MARKUP = re.compile(r"([\\`*\[\]<>&|~]|(?<!\w)_|_(?!\w)|^[#+=-]|(?<=^\d)[.)]|(?<=^\d\d)[.)])")


@functools.cache
def _parser() -> MarkdownIt:
    """Markdown without HTML, and without pictures and links, which a name could point to other hosts."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    return parser.disable(["image", "link", "autolink", "html_block", "html_inline", "reference"])


def to_html(markdown: str) -> str:
    """Markdown as HTML; HTML in it is shown as text, and so are pictures and links.

    Parameters
    ----------
    markdown
        Text with emphasis, lists, headings, and code.

    Returns
    -------
    str
        HTML that holds no attributes but those of code blocks.
    """
    return _parser().render(markdown)


def literal(name: object) -> str:
    """``name`` for a text in Markdown, shown letter by letter: ``H5*1`` does not begin an emphasis."""
    return _MARKUP.sub(r"\\\1", " ".join(str(name).split()))
