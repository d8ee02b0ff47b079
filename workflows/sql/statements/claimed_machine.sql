-- The machine that the local deployer serves.
SELECT machine FROM service_machine
