-- The parts of archives, each as JSON.
select to_json(p)::text as row from archive_parts p order by p.removal, p.number
