"""OpenTofu or Terraform with modules of built-in resources, and its states seen from outside."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.runtime.object_store import ObjectStore
from eventstore.database import Database
from workflows.adapters.tofu.program import PROGRAMS, Program
from workflows.adapters.tofu.provider import TofuProvisioner, postgres_backend
from workflows.messages.infra import Resource

needs_tofu = pytest.mark.skipif(
    not any(shutil.which(name) for name in PROGRAMS),
    reason="neither tofu nor terraform is installed",
)
_DATABASE = """
variable "name" { type = string }
variable "engine" {
  type    = string
  default = "a"
}
variable "size" {
  type    = number
  default = 1
}
resource "terraform_data" "engine" {
  triggers_replace = [var.engine]
  input            = "${var.name} ${var.engine}"
}
resource "terraform_data" "disk" {
  input = { size = var.size, of = var.name }
}
"""
_NOTE = """
variable "name" { type = string }
variable "text" {
  type    = string
  default = ""
}
resource "terraform_data" "note" { input = var.text }
"""
# It is made in the program that the file `script` has.
_SLOW = """
variable "name" { type = string }
variable "script" { type = string }
resource "terraform_data" "slow" {
  input = var.name
  provisioner "local-exec" { command = var.script }
}
"""
# What it is depends on a file that others change.
_FOLLOWER = """
variable "name" { type = string }
variable "path" { type = string }
resource "terraform_data" "follower" { input = fileexists(var.path) ? file(var.path) : "" }
"""
KINDS = {"database": _DATABASE, "note": _NOTE, "slow": _SLOW, "follower": _FOLLOWER}

FIRST = (
    Resource(name="orders", kind="database", properties={"engine": "a", "size": 1}),
    Resource(name="old", kind="note", properties={"text": "old"}),
    Resource(name="files", kind="note", properties={"text": "x"}),
)
SECOND = (
    Resource(name="orders", kind="database", properties={"engine": "b", "size": 1}),
    Resource(name="files", kind="note", properties={"text": "y"}),
    Resource(name="disk", kind="database", properties={"size": 3}),
)


def write_kinds(folder: Path) -> Path:
    """Write the modules into a folder."""
    for name, text in KINDS.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "main.tf").write_text(text)
    return folder


def provisioner(
    database: Database, url: str, kinds: Path, objects: Path, *, seconds: float = 120
) -> TofuProvisioner:
    """Return a provisioner whose states are in the test's own database."""
    backend, secrets = postgres_backend(url)
    program = Program(kinds, backend=backend, secrets=secrets, seconds=seconds)
    return TofuProvisioner(database, ObjectStore.open(str(objects)), program)


async def look(database: Database, environment: str = "staging") -> Mapping[str, str]:
    """Return what the states of an environment have: the objects of each module."""
    there = await database.fetchval("select to_regclass('ntbridge_tofu.states') is not null")
    if not there:
        return {}
    rows = await database.fetch(
        "select data from ntbridge_tofu.states where name like $1", f"{environment}~%"
    )
    found: dict[str, list[object]] = {}
    for row in rows:
        for each in json.loads(row["data"])["resources"]:
            name = each["module"].removeprefix("module.")
            found.setdefault(name, []).append([each["name"], each["instances"]])
    return {name: json.dumps(sorted(parts), sort_keys=True) for name, parts in found.items()}
