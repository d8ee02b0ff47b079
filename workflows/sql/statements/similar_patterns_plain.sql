-- The patterns most similar to a vector, without pgvector: the same numbers, more slowly.
-- Both vectors have length 1, so that their product is the cosine.
-- $1 vector, real[]; $2 name of the embedding; $3 language; $4 how many
SELECT id, prompt, code, language,
       (SELECT sum(mine::double precision * theirs) FROM unnest(vector, $1::real[]) AS both_vectors (mine, theirs))
           AS similarity
FROM patterns
WHERE embedding = $2 AND language = $3
ORDER BY similarity DESC, id
LIMIT $4
