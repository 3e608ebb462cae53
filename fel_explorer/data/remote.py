"""Files at URLs, copied to the user's cache before they are read: mdtraj reads local files only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import fsspec

from fel_explorer.data.cache import cache_directory
from fel_explorer.errors import FelError


def is_url(path: str | Path) -> bool:
    """Whether a path is a URL, such as s3://bucket/a.xtc."""
    return "://" in str(path)


def local_copies(paths: Sequence[str | Path]) -> list[Path]:
    """Local paths of files, of which those at URLs are copied to the user's cache, once for each content.

    Nothing else in the package fetches a URL: a session or a dataset of a stranger names files, and a page
    must not ask other hosts for them.  Call this with URLs that you chose.

    Parameters
    ----------
    paths
        Local paths, which come back as they are, and URLs that fsspec opens: file://, memory://, and with the
        packages it names https:// (aiohttp) and s3:// (s3fs).

    Raises
    ------
    FelError
        If a URL can't be read, or its kind needs a package that is not installed.

    Examples
    --------
    >>> files = local_copies(["file:///data/a.xtc"])  # doctest: +SKIP
    """
    return [_copy(str(path)) if is_url(path) else Path(path) for path in paths]


def _copy(url: str) -> Path:
    folder = cache_directory() / "remote"
    kind = url.split("://")[0]
    options = {"cache_storage": str(folder), "same_names": False, "check_files": True}
    try:
        with fsspec.open(f"filecache::{url}", filecache=options) as file:
            source = Path(file.name)
    except (ImportError, ValueError) as error:
        raise FelError(
            f"'{url}' can't be opened ({error}).", f"'{kind}' needs a package of fsspec."
        ) from error
    except OSError as error:
        raise FelError(
            f"'{url}' can't be read ({error}).", "It is the URL of one file.", "Check address and rights."
        ) from error
    named = source.with_name(f"{source.name}-{url.rstrip('/').split('/')[-1]}")  # readers go by the extension
    if not named.exists() or named.stat().st_mtime_ns != source.stat().st_mtime_ns:
        named.unlink(missing_ok=True)
        named.hardlink_to(source)
    return named
