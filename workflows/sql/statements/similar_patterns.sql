-- The patterns most similar to a vector, by pgvector.
-- $1 vector, real[]; $2 name of the embedding; $3 language; $4 how many
SELECT id, prompt, code, language, 1 - (vector::vector <=> $1::real[]::vector) AS similarity
FROM patterns
WHERE embedding = $2 AND language = $3
ORDER BY similarity DESC, id
LIMIT $4
