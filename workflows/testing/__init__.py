"""Contract tests for adapters: what every implementation of a port guarantees.

A contract is a class of tests for pytest. Subclass it, and give it the adapter as a fixture:

.. code-block:: python

    class TestMyScanner(ScannerContract):
        weak = ScanRequest(files={"a.py": "eval(input())"})
        clean = ScanRequest(files={"a.py": "PRICE = 5"})

        @pytest.fixture
        def scanner(self) -> Scanner:
            return MyScanner()

The tests are coroutines: set ``asyncio_mode = "auto"`` of pytest-asyncio. Each contract's docstring
lists its fixtures and examples. ``docs/adapters.md`` shows an adapter with its contract.

The adapters that ship pass the same contracts, and for each test there is an adapter with one
fault that fails it (``tests/unit/workflows/testing``).
"""
