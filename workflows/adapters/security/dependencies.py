"""Finds dependencies with known vulnerabilities: advisories of OSV, read from files."""

import ast
import asyncio
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from workflows.adapters.security.osv import Advisories, Advisory, normalized
from workflows.adapters.security.requirements import Dependency, Unreadable, dependencies
from workflows.adapters.security.severities import rank
from workflows.messages.security import ScanReport, ScanRequest, Severity, Weakness

NAME = "osv"
_CWE = 1395  # dependency on a vulnerable third-party component


class DependenciesScanner:
    """A ``Scanner`` of Python packages: those that files declare, and those that code imports.

    A package that code imports and no file declares counts with the version that is installed
    beside the worker, because tests and local releases run with it.

    Args:
        path: A folder or zip file with advisories in the OSV format.
    """

    def __init__(self, path: Path) -> None:
        self._advisories = Advisories(path)

    async def scan(self, request: ScanRequest) -> ScanReport:
        """Compare all dependencies with the advisories."""
        return await asyncio.to_thread(self._scan, request)

    def _scan(self, request: ScanRequest) -> ScanReport:
        self._advisories.read()
        findings: list[Weakness] = []
        declared: set[str] = set()
        for found in dependencies(request.files):
            if isinstance(found, Unreadable):
                findings.append(_unreadable(found))
            else:
                declared.add(found.package)
                findings += self._weaknesses(found)
        for used in _imported(request.files):
            if used.package not in declared:
                findings += self._weaknesses(used)
        return ScanReport(scanners=(self._advisories.name,), findings=tuple(findings))

    def _weaknesses(self, dependency: Dependency) -> Iterator[Weakness]:
        known = self._advisories.of(dependency.package)
        if dependency.version is None:
            if known:
                yield _unpinned(dependency, known[0], len(known))
            return
        version = dependency.version
        matching = [each for each in known if each.affects(dependency.package, version)]
        reported: set[str] = set()
        # Databases list one vulnerability under several ids: the worst rating is reported.
        for advisory in sorted(matching, key=lambda one: (rank(one.rating), one.id)):
            if reported.isdisjoint(advisory.names):
                yield _vulnerable(dependency, advisory, version)
            reported |= advisory.names


def _vulnerable(dependency: Dependency, advisory: Advisory, version: str) -> Weakness:
    also = ", ".join(sorted(advisory.names - {advisory.id}))
    fixed = advisory.fixed_in(dependency.package, version)
    return Weakness(
        file=dependency.file,
        line=dependency.line,
        scanner=NAME,
        rule=advisory.id,
        severity=advisory.rating,
        confidence="high",
        message=f"{dependency.package} {version} is vulnerable"
        + (f": {advisory.text.rstrip('.')}" if advisory.text else "")
        + (f" ({also})" if also else "")
        + (f"; fixed in {fixed}" if fixed else "; no fixed version is known"),
        cwe=advisory.cwe or _CWE,
    )


def _unpinned(dependency: Dependency, advisory: Advisory, number: int) -> Weakness:
    return Weakness(
        file=dependency.file,
        line=dependency.line,
        scanner=NAME,
        rule="unpinned",
        severity=Severity.LOW,
        confidence="low",
        message=f"{dependency.wanted!r} allows several versions, and some of this package are "
        f"vulnerable ({number} advisories, {advisory.id} is one): pin it with ==",
        cwe=_CWE,
    )


def _unreadable(found: Unreadable) -> Weakness:
    return Weakness(
        file=found.file,
        line=found.line,
        scanner=NAME,
        rule="unreadable",
        severity=Severity.HIGH,
        confidence="high",
        message=f"the dependencies are not checked: {found.reason}",
    )


def _imported(files: Mapping[str, str]) -> Iterator[Dependency]:
    """Return the installed packages that Python files import, each once."""
    seen: set[str] = set()
    for file, source in files.items():
        if not file.endswith(".py"):
            continue
        for module, line in _imports(source):
            for package in _packages().get(module, ()):
                if package not in seen:
                    seen.add(package)
                    version = metadata.version(package)
                    yield Dependency(file, line, package, version, f"import {module}")


def _imports(source: str) -> Iterator[tuple[str, int]]:
    """Return the top-level modules that code imports; none if it does not parse."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # that it does not compile is the checker's finding, and bandit's
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        else:
            continue
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names:
                yield top, node.lineno


@cache
def _packages() -> Mapping[str, list[str]]:
    """Return the installed packages, by the modules that they have."""
    return {
        module: sorted({normalized(package) for package in packages})
        for module, packages in metadata.packages_distributions().items()
    }
