"""A session as one HTML file that opens anywhere, without a network and without Python."""

from fel_explorer.app.report.document import report_html, save_report

__all__ = ["report_html", "save_report"]
