-- Records what a person did.
-- $1 who text   $2 via text   $3 action text   $4 object text   $5 reason text   $6 detail text
insert into audit (who, via, action, object, reason, detail) values ($1, $2, $3, $4, $5, $6)
returning id
