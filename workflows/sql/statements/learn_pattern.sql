-- Insert a pattern; no row if it exists.
-- $1 id; $2 language; $3 prompt; $4 code; $5 name of the embedding; $6 vector, real[]
INSERT INTO patterns (id, language, prompt, code, embedding, vector)
VALUES ($1, $2, $3, $4, $5, $6::real[])
ON CONFLICT (id) DO NOTHING
RETURNING id
