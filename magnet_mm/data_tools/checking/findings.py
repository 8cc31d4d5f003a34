# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What a check found: problems of one sort are counted together, with a few examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

LEVELS = ('error', 'warning', 'note')
EXAMPLES = 3


@dataclass
class Finding:
    """One sort of problem in one place.

    Attributes:
        level: ``error`` (training or scores would be wrong), ``warning`` or ``note``.
        where: The file or dataset.
        problem: What is wrong, as a sentence.
        advice: What to do next.
        count: How often it occurs.
        examples: The first few occurrences.
    """

    level: str
    where: str
    problem: str
    advice: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


class Findings:
    """Collects findings; the same problem in the same place is one finding."""

    def __init__(self) -> None:
        self._findings: dict[tuple[str, str, str], Finding] = {}

    def add(
        self, level: str, where: str, problem: str, advice: str = '', example: object = None
    ) -> None:
        """Count one occurrence of a problem.

        Args:
            level (str): One of :data:`LEVELS`.
            where (str): The file or dataset.
            problem (str): What is wrong; without numbers that differ between occurrences.
            advice (str): What to do next.
            example (object): The occurrence, such as an id.
        """
        key = (level, where, problem)
        finding = self._findings.setdefault(key, Finding(level, where, problem, advice))
        finding.count += 1
        if example is not None and len(finding.examples) < EXAMPLES:
            finding.examples.append(str(example))

    def error(self, where: str, problem: str, advice: str = '', example: object = None) -> None:
        """Add an error."""
        self.add('error', where, problem, advice, example)

    def warning(self, where: str, problem: str, advice: str = '', example: object = None) -> None:
        """Add a warning."""
        self.add('warning', where, problem, advice, example)

    def note(self, where: str, problem: str, advice: str = '', example: object = None) -> None:
        """Add a note."""
        self.add('note', where, problem, advice, example)

    def __iter__(self) -> Iterator[Finding]:
        """Return the findings, errors first, else in the order in which they were found."""
        return iter(sorted(self._findings.values(), key=lambda one: LEVELS.index(one.level)))

    def number(self, level: str) -> int:
        """How many findings (sorts of problems) there are of a level."""
        return sum(finding.level == level for finding in self._findings.values())

    def at(self, where: str, level: str = 'error') -> bool:
        """Whether a place has a finding of a level."""
        return any(one.level == level and one.where == where for one in self)

    def to_list(self) -> list[dict[str, Any]]:
        """Return the findings as plain dicts."""
        return [asdict(finding) for finding in self]
