"""The reference adapters of QInfra: environments, and releases of services.

Their state is shared by all workers (`workflows.adapters.shared`). How releases run is in
`workflows.adapters.services`.
"""
