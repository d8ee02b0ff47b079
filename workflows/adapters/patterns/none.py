"""For those who want no memory: nothing is similar, nothing is learned."""

from workflows.messages.patterns import AcceptedCode, Learned, Pattern


class NoPatterns:
    """A ``VectorDatabase`` that remembers nothing."""

    async def similar(self, text: str, *, language: str, limit: int) -> tuple[Pattern, ...]:
        """Return no patterns."""
        del text, language, limit
        return ()

    async def learn(self, accepted: AcceptedCode) -> Learned:
        """Learn nothing."""
        del accepted
        return Learned(id="", new=False)

    async def forget(self, key: str) -> tuple[str, ...]:
        """Have nothing to forget."""
        del key
        return ()
