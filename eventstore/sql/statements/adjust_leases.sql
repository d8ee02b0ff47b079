-- End soon the leases that expire later than they can, since the server's clock went back;
-- returns their names.
SELECT adjust_leases() AS name
