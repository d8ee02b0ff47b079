-- Whether a plan was made here.
-- $1 id
SELECT EXISTS (SELECT FROM environment_plans WHERE id = $1)
