"""Statements: SQL from files, one statement a file, by name."""

from importlib import resources


class Statements:
    """The statements of one package folder, read once each.

    Args:
        package: A package (a folder of ``.sql`` files), e.g. ``eventstore.sql.statements``.

    The text includes the comments, so that the server's logs and ``pg_stat_activity`` show the
    purpose of a statement.
    """

    def __init__(self, package: str) -> None:
        self._package = package
        self._texts: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        """Return the statement in ``<name>.sql``.

        Raises:
            LookupError: There is no such file; the message lists those that exist.
        """
        text = self._texts.get(name)
        if text is None:
            text = self._texts[name] = self._read(name)
        return text

    def names(self) -> list[str]:
        """Return the names of all statements, sorted."""
        return sorted(
            entry.name.removesuffix(".sql")
            for entry in resources.files(self._package).iterdir()
            if entry.name.endswith(".sql")
        )

    def _read(self, name: str) -> str:
        file = resources.files(self._package) / f"{name}.sql"
        if not file.is_file():
            known = ", ".join(self.names()) or "none"
            raise LookupError(f"no statement {name!r} in {self._package}; there are: {known}")
        return file.read_text(encoding="utf-8")
