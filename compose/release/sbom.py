"""Bills of materials (CycloneDX 1.6): the packages that a wheel, or the image, is installed with.

Versions are those of this environment, which `constraints.txt` pins.
"""

import re
from collections.abc import Iterable, Iterator
from email.message import Message
from email.parser import HeaderParser
from hashlib import sha256
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from zipfile import ZipFile

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

IMAGE_EXTRAS = ("otlp", "pipelines", "redis")
"""The extras that compose/Dockerfile installs."""
_OURS = "nats-temporal-bridge"


def bill_of_wheel(wheel: Path, artefact: Path) -> str:
    """Return the bill of a wheel, or of the source distribution that it was built from."""
    with ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(archive.read(name).decode())
    return _bill(
        _own(metadata, artefact), _needed(metadata.get_all("Requires-Dist", []), set())
    )


def bill_of_image(root: Path, extras: Iterable[str]) -> str:
    """Return the bill of the image: its base and everything that is installed into it."""
    dockerfile = (root / "compose" / "Dockerfile").read_text(encoding="utf-8")
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", dockerfile, re.MULTILINE)
    name, _, tag = base.rpartition(":")
    own = distribution(_OURS)
    image = Component(name=_OURS, version=own.version, type=ComponentType.CONTAINER)
    lines = own.requires or []
    base_image = Component(name=name, version=tag, type=ComponentType.CONTAINER, bom_ref=base)
    return _bill(image, _needed(lines, set(extras)), [base_image])


def _bill(about: Component, needed: Iterable[str], others: Iterable[Component] = ()) -> str:
    bom = Bom()
    bom.metadata.component = about
    parts = [*others, *(_component(distribution(name)) for name in sorted(needed))]
    for each in parts:
        bom.components.add(each)
    bom.register_dependency(about, parts)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _own(metadata: Message, artefact: Path) -> Component:
    name, version = str(metadata["Name"]), str(metadata["Version"])
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=artefact.name,
        purl=PackageURL("pypi", name=name, version=version),
        licenses=[LicenseFactory().make_from_string(str(metadata["License-Expression"]))],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=_sha256(artefact))],
    )


def _component(found: Distribution) -> Component:
    name = canonicalize_name(found.name)
    expression = found.metadata.get("License-Expression")
    return Component(
        name=name,
        version=found.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{name}=={found.version}",
        purl=PackageURL("pypi", name=name, version=found.version),
        licenses=[LicenseFactory().make_from_string(expression)] if expression else [],
    )


def _needed(lines: Iterable[str], extras: set[str]) -> set[str]:
    """Return the names of all packages that some requirements lead to, ours left out."""
    found: dict[str, set[str]] = {}
    open_ones = [(line, extras) for line in lines]
    while open_ones:
        line, asked = open_ones.pop()
        requirement = Requirement(line)
        if not _applies(requirement, asked):
            continue
        name = canonicalize_name(requirement.name)
        if name == f"{_OURS}-pipelines":
            continue  # a bill of its own
        known = found.get(name)
        wanted = set(requirement.extras)
        if known is not None and wanted <= known:
            continue
        found[name] = (known or set()) | wanted
        open_ones += [(line, found[name]) for line in _requirements(name)]
    found.pop(_OURS, None)
    return set(found)


def _requirements(name: str) -> Iterator[str]:
    try:
        yield from distribution(name).requires or []
    except PackageNotFoundError as error:
        raise SystemExit(f"{name} is not installed here: make .venv/dist.stamp") from error


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate({"extra": extra}) for extra in (*extras, ""))


def _sha256(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
