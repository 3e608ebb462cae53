"""Recipe of a model: its method and hyperparameters, to be used again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fel_explorer.app.session.result import Result
from fel_explorer.methods import Method, list_methods


@dataclass(frozen=True)
class Recipe:
    """A method by name, its hyperparameters, and the label of the model whose embedding it takes, or ''."""

    method: str
    values: dict = field(default_factory=dict)
    embedding: str = ""

    @classmethod
    def of(cls, method: Method, embedding: str = "") -> Recipe:
        """The recipe of a method, fitted or not."""
        return cls(type(method).__name__, method.hyperparameters(), embedding)

    def without(self, *names: str) -> Recipe:
        """The same without some hyperparameters."""
        values = {name: value for name, value in self.values.items() if name not in names}
        return Recipe(self.method, values, self.embedding)


@dataclass(frozen=True)
class Sweep:
    """Runs that differ in one hyperparameter (and the seed), by their labels."""

    parameter: str
    labels: tuple[str, ...]


def recipe_of(result: Result, results: Mapping[str, Result]) -> Recipe | None:
    """The recipe of a result among ``results`` (by label); None where it is of no registered method."""
    method = result.method
    if type(method).__name__ not in list_methods():
        return None
    if not method.takes_embedding:
        return Recipe.of(method)
    base = method.embedding_
    found = [label for label, other in results.items() if other.method is base]
    if not found:  # after a session was opened again the embedding is a copy: its label identifies it
        found = [label for label in results if result.label.startswith(f"{label} + ")]
    return Recipe.of(method, found[0] if found else "")
