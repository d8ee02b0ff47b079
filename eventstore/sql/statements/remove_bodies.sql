-- Take the bodies of some events: see the function.
-- $1 removal, $2 positions, $3 digests, $4 attributes that may stay (null: all), $5 attributes that go, $6 milliseconds
SELECT looked, removed FROM remove_bodies($1, $2, $3, $4, $5, $6)
