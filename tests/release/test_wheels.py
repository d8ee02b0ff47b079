"""The wheels: beside a team's own packages, without the pipelines, and as a newcomer installs them."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote
from zipfile import ZipFile

import pytest

from tests.release.conftest import Environment, Wheels, build
from tests.support.cli import Dev
from tests.support.daemon import running
from tests.support.readme import Snippet, run_in_order, shell, snippets
from tests.support.servers import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.torture]

OURS = ("bridge", "eventstore", "workflows")
_PATIENCE = 240.0
"""Seconds: the installed programs start cold."""
_LINK = re.compile(r"\]\((?P<target>[^)#\s]+)(#[^)]*)?\)")


def team_wheel(folder: Path) -> Path:
    """A wheel of a team whose packages have the names of ours."""
    path = folder / "acme-1.0-py3-none-any.whl"
    with ZipFile(path, "w") as wheel:
        for name in OURS:
            wheel.writestr(f"{name}/__init__.py", "OWNER = 'acme'\n")
        about = "acme-1.0.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")
    return path


@pytest.mark.parametrize("team_first", [True, False])
def test_a_teams_packages_of_the_same_names_stay_its_own(
    wheels: Wheels, environment: Environment, tmp_path: Path, *, team_first: bool
) -> None:
    order = [[team_wheel(tmp_path)], [wheels.bridge, wheels.pipelines]]
    for each in order if team_first else reversed(order):
        environment.install(*each)
    asking = f"import {', '.join(OURS)}; print({', '.join(f'{name}.OWNER' for name in OURS)})"
    assert environment.run("python", "-c", asking, cwd=tmp_path).stdout == "acme acme acme\n"

    # Our programs find ours, and so do their children and plugins.
    listed = environment.run("ntbridge", "pipelines", "ls", "-o", "json", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert len(json.loads(listed.stdout)) == 4
    asked = environment.run("ntbridge-worker", "check", cwd=tmp_path)
    assert asked.returncode == 0, asked.stderr
    routes = ROOT / "bridge" / "samples" / "routes.yaml"
    checked = environment.run(
        "ntbridge", "routes", "lint", cwd=tmp_path, env={"NTBRIDGE_ROUTES": str(routes)}
    )
    assert checked.returncode == 0, checked.stderr

    environment.uninstall("nats-temporal-bridge", "nats-temporal-bridge-pipelines")
    assert environment.run("python", "-c", asking, cwd=tmp_path).stdout == "acme acme acme\n"
    # Only what Python compiled may be left.
    assert not list(environment.site_packages.glob("nats_temporal*/**/*.py"))


def test_where_nobody_has_these_names_they_can_be_imported(
    wheels: Wheels, environment: Environment, tmp_path: Path
) -> None:
    environment.install(wheels.bridge, wheels.pipelines)
    asking = "import bridge.results, eventstore, workflows.ports; print(bridge.__file__)"
    done = environment.run("python", "-c", asking, cwd=tmp_path)
    assert done.stdout.strip().endswith("nats_temporal_bridge/packages/bridge/__init__.py")
    tops = {each.name for each in environment.site_packages.iterdir()}
    assert tops.isdisjoint(OURS)


def test_the_daemon_installs_without_the_pipelines(
    wheels: Wheels, environment: Environment, tmp_path: Path
) -> None:
    environment.install(wheels.bridge)
    helped = environment.run("ntbridge", "--help", cwd=tmp_path)
    assert helped.returncode == 0, helped.stderr
    assert "dead-letters" in helped.stdout
    assert "pipelines" not in helped.stdout
    printed = environment.run("ntbridge", "migrate", "--print", cwd=tmp_path)
    assert "CREATE TABLE events" in printed.stdout
    assert not environment.program("ntbridge-worker").exists()
    assert environment.run("python", "-c", "import workflows", cwd=tmp_path).returncode == 1


def test_the_pipelines_are_an_extra_of_the_same_version(wheels: Wheels) -> None:
    with ZipFile(wheels.bridge) as bridge, ZipFile(wheels.pipelines) as pipelines:
        needs, version = (
            next(
                wheel.read(name).decode()
                for name in wheel.namelist()
                if name.endswith("METADATA")
            )
            for wheel in (bridge, pipelines)
        )
    (number,) = re.findall(r"^Version: (.+)$", version, re.MULTILINE)
    assert (
        f"Requires-Dist: nats-temporal-bridge-pipelines=={number}; extra == 'pipelines'"
        in needs
    )
    assert f"Requires-Dist: nats-temporal-bridge[pipelines]=={number}" in version


@pytest.mark.timeout(900)
def test_an_event_reaches_its_result_in_an_empty_folder(
    wheels: Wheels, whole_environment: Environment, tmp_path: Path
) -> None:
    whole_environment.install(wheels.bridge, wheels.pipelines)
    folder = tmp_path / "empty"
    folder.mkdir()
    done = whole_environment.run(
        "ntbridge", "dev", "--sample", "--once", "--ephemeral", cwd=folder, within=600
    )
    assert done.returncode == 0, done.stderr
    assert "run-code-generation/" in done.stdout  # the stream of its results
    assert list(folder.iterdir()) == []


@pytest.mark.timeout(1800)
async def test_the_first_ten_minutes_of_the_readme(
    wheels: Wheels, whole_environment: Environment, tmp_path: Path
) -> None:
    whole_environment.install(wheels.bridge, wheels.pipelines)
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / ".venv").symlink_to(whole_environment.folder)
    without_the_checkout = {"PYTHONPATH": ""}
    dev = Dev(
        folder,
        env=without_the_checkout,
        program=[str(whole_environment.program("ntbridge"))],
        start_within=_PATIENCE,
    )
    section = "The first ten minutes"
    async with running(dev):
        commands = snippets("sh", within=section)
        assert len(commands) > 5
        await run_in_order(folder, commands, without_the_checkout, _PATIENCE)
        for program in snippets("python", within=section):
            (folder / "program.py").write_text(program.text, encoding="utf-8")
            code, said = await shell(
                folder,
                Snippet("sh", "python program.py\n"),
                _nats(dev, without_the_checkout),
                _PATIENCE,
            )
            assert code == 0, said
            assert said.splitlines()[-1].startswith("results.")


def _nats(dev: Dev, env: Mapping[str, str]) -> dict[str, str]:
    return {**env, "NATS_URL": dev.addresses.nats_url}


def test_what_the_documentation_links_to_is_installed(wheels: Wheels, tmp_path: Path) -> None:
    for wheel in (wheels.bridge, wheels.pipelines):
        ZipFile(wheel).extractall(tmp_path)
    root = tmp_path / "nats_temporal_bridge" / "packages"
    documents = [
        root / "README.md",
        root / "CHANGELOG.md",
        *sorted((root / "docs").rglob("*.md")),
    ]
    assert len(documents) > 20
    broken = [
        f"{document.relative_to(root)}: {match['target']}"
        for document in documents
        for match in _LINK.finditer(document.read_text(encoding="utf-8"))
        if "://" not in match["target"]
        and not (document.parent / unquote(match["target"])).exists()
    ]
    assert broken == []


def test_the_same_files_make_the_same_wheels(wheels: Wheels, tmp_path: Path) -> None:
    """In another folder, at another time, with other permissions."""
    caches = (".venv", ".git", ".*_cache", ".hypothesis", ".ntbridge", "__pycache__")
    left_out = shutil.ignore_patterns(*caches, "tests", "dist", "site", "secrets")
    copy = shutil.copytree(
        ROOT, tmp_path / "elsewhere", ignore=left_out, copy_function=_touched
    )
    again = build(copy, tmp_path / "again")
    for one, other in ((wheels.bridge, again.bridge), (wheels.pipelines, again.pipelines)):
        assert one.name == other.name
        with ZipFile(one) as first, ZipFile(other) as second:
            members = [
                {each.filename: each.external_attr for each in wheel.infolist()}
                for wheel in (first, second)
            ]
            assert members[0] == members[1]
            different = [name for name in members[0] if first.read(name) != second.read(name)]
        assert different == []
        assert one.read_bytes() == other.read_bytes()


def _touched(source: str, target: str) -> str:
    """Copy a file, with another time, and for other people; whether it may be run stays."""
    shutil.copyfile(source, target)
    Path(target).chmod(0o700 if Path(source).stat().st_mode & 0o100 else 0o600)
    return target


def test_no_secret_of_a_checkout_gets_into_a_wheel(wheels: Wheels) -> None:
    with ZipFile(wheels.bridge) as wheel:
        names = wheel.namelist()
    assert not [name for name in names if "/secrets/" in name or "__pycache__" in name]
