"""A session as one HTML file that opens anywhere, without a network and without Python."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"document": ["report_html", "save_report"]}
)
