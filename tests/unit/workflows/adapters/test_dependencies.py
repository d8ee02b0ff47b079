"""Dependencies with known vulnerabilities are found: declared, locked, or imported."""

import json
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from workflows.adapters.security.dependencies import DependenciesScanner
from workflows.adapters.security.osv import (
    Advisory,
    Affected,
    DatabaseSpecific,
    Event,
    Package,
    Range,
    Score,
)
from workflows.errors import ToolFailedError, ToolMissingError
from workflows.messages.security import ScanRequest, Severity, Weakness

CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
MEDIUM = "CVSS:4.0/AV:L/AC:L/AT:N/PR:L/UI:N/VC:L/VI:L/VA:L/SC:N/SI:N/SA:N"


def advisory(name: str, package: str = "acme", *events: dict[str, str], **more: Any) -> bytes:
    wanted = list(events) or [{"introduced": "0"}, {"fixed": "2.0"}]
    return json.dumps(
        {
            "id": name,
            "modified": "2026-11-01T10:00:00Z",
            "summary": f"{package} runs code of others.",
            "affected": [
                {
                    "package": {"ecosystem": "PyPI", "name": package},
                    "ranges": [{"type": "ECOSYSTEM", "events": wanted}],
                }
            ],
            "severity": [{"type": "CVSS_V3", "score": CRITICAL}],
            **more,
        }
    ).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "GHSA-1.json").write_bytes(advisory("GHSA-1", aliases=["CVE-2026-1"]))
    return tmp_path


async def scan(folder: Path, **files: str) -> list[Weakness]:
    named = {name.replace("__", "."): source for name, source in files.items()}
    report = await DependenciesScanner(folder).scan(ScanRequest(files=named))
    return list(report.findings)


async def test_a_finding_says_what_is_wrong_and_what_mends_it(folder: Path) -> None:
    [found] = await scan(
        folder, requirements__txt="# ours\nAcme[fast]==1.0 ; python_version>'3'\n"
    )
    assert (found.file, found.line, found.rule) == ("requirements.txt", 2, "GHSA-1")
    assert found.severity is Severity.CRITICAL
    assert found.message == (
        "acme 1.0 is vulnerable: acme runs code of others (CVE-2026-1); fixed in 2.0"
    )


@pytest.mark.parametrize(
    ("name", "source", "line"),
    [
        ("requirements-dev__txt", "acme==1.0 \\\n  --hash=sha256:abc\nother==1\n", 1),
        ("constraints__txt", "other==1\nacme===1.0  # old\n", 2),
        ("pyproject__toml", '[project]\ndependencies = [\n "acme==1.0",\n]\n', 3),
        ("pyproject__toml", '[project.optional-dependencies]\nx = ["acme==1.0"]\n', 2),
        ("pyproject__toml", '[dependency-groups]\nx = [{include-group="y"}, "acme==1.0"]\n', 2),
        ("uv__lock", '[[package]]\nname = "acme"\nversion = "1.0"\n', 2),
        ("pylock__toml", '[[packages]]\nname = "acme"\nversion = "1.0"\n', 2),
        ("job__py", '# /// script\n# dependencies = ["acme==1.0"]\n# ///\nprint(1)\n', 2),
    ],
)
async def test_every_file_that_declares_is_read(
    folder: Path, name: str, source: str, line: int
) -> None:
    assert [(each.rule, each.line) for each in await scan(folder, **{name: source})] == [
        ("GHSA-1", line)
    ]


async def test_what_code_imports_counts_as_it_is_installed(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(advisory("GHSA-2", "PyYAML", {"introduced": "0"}))
    code = "def read(text):\n    from yaml.reader import Reader\n    return Reader(text)\n"
    [found] = await scan(tmp_path, a__py=code)
    assert (found.file, found.line) == ("a.py", 2)
    assert f"pyyaml {version('pyyaml')} is vulnerable" in found.message
    assert "no fixed version is known" in found.message
    # A version that a file declares counts instead.
    pinned = await scan(tmp_path, a__py=code, requirements__txt="pyyaml==1.0\n")
    assert [each.file for each in pinned] == ["requirements.txt"]


async def test_a_requirement_without_a_version_is_worth_a_word(folder: Path) -> None:
    found = await scan(folder, requirements__txt="acme>=1\nunheard-of\n")
    assert [(each.rule, each.severity, each.line) for each in found] == [
        ("unpinned", Severity.LOW, 1)
    ]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"requirements__txt": "acme = 1\n"}, "is not a requirement"),
        ({"requirements__txt": "-r more.txt\n"}, "includes more.txt"),
        ({"pyproject__toml": "[project\n"}, "cannot be read"),
        ({"uv__lock": "package = 3\n"}, "cannot be read"),
    ],
)
async def test_what_cannot_be_read_is_no_good_news(
    folder: Path, files: dict[str, str], reason: str
) -> None:
    [found] = await scan(folder, **files)
    assert (found.rule, found.severity) == ("unreadable", Severity.HIGH)
    assert reason in found.message


async def test_one_vulnerability_with_two_ids_is_reported_once(folder: Path) -> None:
    (folder / "PYSEC-1.json").write_bytes(
        advisory("PYSEC-1", aliases=["CVE-2026-1"], severity=[])
    )
    (folder / "PYSEC-2.json").write_bytes(advisory("PYSEC-2", withdrawn="2026-11-02T00:00:00Z"))
    assert [each.rule for each in await scan(folder, requirements__txt="acme==1")] == ["GHSA-1"]


async def test_a_zip_file_is_read_and_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    scanner = DependenciesScanner(path)
    request = ScanRequest(files={"requirements.txt": "acme==1.0"})
    for modified in ("2026-11-01", "2026-11-29"):
        with zipfile.ZipFile(path.with_suffix(".new"), "w") as archive:
            archive.writestr(
                "PYSEC-1.json", advisory("PYSEC-1", modified=f"{modified}T00:00:00Z")
            )
        path.with_suffix(".new").replace(path)
        report = await scanner.scan(request)
        assert report.scanners == (f"osv/{modified}",)
        assert len(report.findings) == 1


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (None, ToolMissingError, "has no advisories"),
        (b"{}", ToolFailedError, r"one\.json is not an OSV advisory"),
        (b'{"id": 1', ToolFailedError, r"one\.json is not an OSV advisory"),
    ],
)
async def test_without_advisories_nothing_counts_as_scanned(
    tmp_path: Path, content: bytes | None, error: type[Exception], says: str
) -> None:
    if content is not None:
        (tmp_path / "one.json").write_bytes(content)
    with pytest.raises(error, match=says):
        await scan(tmp_path)
    with pytest.raises(ToolMissingError, match="No such file"):
        await scan(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("score", "word", "rating"),
    [
        (("CVSS_V3", CRITICAL), None, Severity.CRITICAL),
        (("CVSS_V4", MEDIUM), "CRITICAL", Severity.MEDIUM),
        (("CVSS_V2", "AV:N/AC:L/Au:N/C:C/I:C/A:C"), None, Severity.HIGH),
        (("CVSS_V3", "nonsense"), "MODERATE", Severity.MEDIUM),
        (None, "LOW", Severity.LOW),
        (None, None, Severity.HIGH),
    ],
)
def test_the_rating(score: tuple[str, str] | None, word: str | None, rating: Severity) -> None:
    found = Advisory(
        id="GHSA-1",
        severity=(Score(*score),) if score else None,
        database_specific=DatabaseSpecific(severity=word),
    )
    assert found.rating is rating


def test_a_malicious_package_is_critical() -> None:
    assert Advisory(id="MAL-2026-1").rating is Severity.CRITICAL


def _of(*events: Event, versions: tuple[str, ...] = ()) -> Advisory:
    ranges = (Range(type="ECOSYSTEM", events=events), Range(type="GIT", events=events))
    affected = Affected(package=Package("PyPI", "acme"), ranges=ranges, versions=versions)
    return Advisory(id="GHSA-1", affected=(affected,))


@pytest.mark.parametrize(
    ("at", "affected"),
    [
        ("0.9", False),
        ("1.0", True),
        ("1.9.post1", True),
        ("2.0", False),
        ("2.0rc1", True),
        ("2.5", False),
        ("3.0", True),
        ("3.1", True),
        ("3.1.1", False),
        ("1.5+cpu", True),
    ],
)
def test_ranges(at: str, affected: bool) -> None:  # noqa: FBT001 - a parameter of the test
    events = (
        Event(fixed="2.0"),
        Event(introduced="1.0"),
        Event(introduced="3.0"),
        Event(last_affected="3.1"),
    )
    assert _of(*events).affects("acme", at) is affected


def test_versions_that_follow_no_rule_are_compared_by_the_list() -> None:
    listed = _of(versions=("2004d", "1.0"))
    assert listed.affects("acme", "2004d")
    assert listed.affects("acme", "1.0.0")
    assert not listed.affects("acme", "2005a")
    assert not listed.affects("other", "1.0")


VERSIONS = st.builds("{}.{}".format, st.integers(0, 9), st.integers(0, 9))


@given(st.lists(VERSIONS, min_size=2, max_size=6, unique=True), VERSIONS)
def test_ranges_agree_with_intervals(bounds: list[str], at: str) -> None:
    """Events in any order mean the intervals that they bound."""
    ordered = sorted(bounds, key=Version)
    pairs = list(zip(ordered[::2], ordered[1::2], strict=False))
    events = [Event(introduced=one) for one, _ in pairs]
    events += [Event(fixed=other) for _, other in pairs]
    expected = any(Version(one) <= Version(at) < Version(other) for one, other in pairs)
    assert _of(*events[::-1]).affects("acme", at) is expected
