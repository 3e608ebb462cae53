"""Files at URLs, copied to the user's cache before they are read: mdtraj reads local files only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import fsspec

from fel_explorer.data.atomic_folders import whole_file
from fel_explorer.data.cache import cache_directory
from fel_explorer.errors import FelError


def is_url(path: str | Path) -> bool:
    """Whether a path is a URL, such as s3://bucket/a.xtc."""
    return "://" in str(path)


def local_copies(paths: Sequence[str | Path]) -> list[Path]:
    """Local paths of files, of which those at URLs are copied to the user's cache, once for each content.

    Files of a web server that names no version of them (ETag) are copied each time.

    Nothing else in the package fetches a URL: a session or a dataset of a stranger names files, and a page
    must not ask other hosts for them.  Call this with URLs that you chose.

    Parameters
    ----------
    paths
        Local paths, which come back as they are, and URLs that fsspec opens: file://, memory://, with the
        extra ``remote`` http:// and https://, and others with their own packages, such as s3:// with s3fs.

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
    kind, name = url.split("://")[0], url.rstrip("/").split("/")[-1]  # readers go by the extension
    folder, address = cache_directory() / "remote", _digest(url)
    try:
        source, path = fsspec.core.url_to_fs(url)
        version = _version(source, path)
        copy = folder / f"{address}-{_digest(version or '')}-{name}"
        if version is None or not copy.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with whole_file(copy) as partial:
                source.get_file(path, str(partial))
    except (ImportError, ValueError) as error:
        raise FelError(
            f"'{url}' can't be opened ({error}).", f"'{kind}' needs a package of fsspec.", _remedy(kind)
        ) from error
    except FelError:  # of a full disk
        raise
    except Exception as error:  # those of the packages are not all OSErrors
        raise FelError(
            f"'{url}' can't be read ({str(error) or type(error).__name__}).",
            "It is the URL of one file.",
            "Check address and rights.",
        ) from error
    for other in folder.glob(f"{address}-*"):
        if other != copy:
            other.unlink(missing_ok=True)
    return copy


def _version(source: fsspec.AbstractFileSystem, path: str) -> str | None:
    """What changes with the content of a file; None where a web server does not say."""
    info = source.info(path)
    if "http" not in str(source.protocol):
        return str(source.ukey(path))
    # fsspec's key of a file on the web is its address
    return f"{info['ETag']} {info.get('size')}" if info.get("ETag") else None


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _remedy(kind: str) -> str:
    name = {"http": '"fel-explorer[remote]"', "https": '"fel-explorer[remote]"', "s3": "s3fs"}.get(kind)
    return f"Install it: pip install {name}." if name else "Install it, or copy the file first."
