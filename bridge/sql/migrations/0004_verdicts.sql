-- What is set aside at intake is not always undecodable: it may break its schema, or loop.
alter table deliveries drop constraint deliveries_verdict_check;
update deliveries set verdict = 'set-aside' where verdict = 'undecodable';
alter table deliveries add constraint deliveries_verdict_check
    check (verdict in ('matched', 'unmatched', 'repeat', 'conflict', 'set-aside'));
