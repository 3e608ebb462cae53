"""The one error class of the package."""

from __future__ import annotations


class FelError(ValueError):
    """Bad input, with a message in three parts: what was given, what is valid, what to do.

    >>> raise FelError("lag_time=50.0 ps.", "Lags up to 10.0 ps fit.", "Take a shorter lag.")
    Traceback (most recent call last):
    fel_explorer.errors.FelError: lag_time=50.0 ps. Lags up to 10.0 ps fit. Take a shorter lag.
    """

    def __init__(self, given: str, valid: str = "", remedy: str = "") -> None:
        self.given, self.valid, self.remedy = given, valid, remedy
        super().__init__(" ".join(part for part in (given, valid, remedy) if part))

    def __reduce__(self) -> tuple:
        """Keep the three parts on the way from another process."""
        return type(self), (self.given, self.valid, self.remedy)
