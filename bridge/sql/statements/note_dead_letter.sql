-- Records that a redrive left a dead letter open, and why.
-- $1 letter bigint   $2 who text   $3 detail text
insert into dead_letter_history (letter, what, who, detail) values ($1, 'left-open', $2, $3)
