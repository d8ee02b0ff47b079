-- Whether this login may act: record it in the audit and begin replays, as no reader may.
select has_table_privilege('audit', 'insert') and has_table_privilege('replays', 'insert')
