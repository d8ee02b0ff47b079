-- Code that was accepted, to be found again by what it was asked for.
--
-- Vectors are kept as real[] and become pgvector's type in the query, so that the tables need no
-- extension. Where there is none, or we may not make it, plain SQL computes the same numbers.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS vector;
EXCEPTION
    WHEN feature_not_supported OR undefined_file OR insufficient_privilege OR unique_violation OR duplicate_object THEN
        RAISE NOTICE 'no extension vector: %', SQLERRM;
END
$$;

CREATE TABLE patterns (
    id         text PRIMARY KEY,            -- SHA-256 of embedding, language, prompt and code
    language   text NOT NULL,
    prompt     text NOT NULL,
    code       text NOT NULL,
    embedding  text NOT NULL,               -- what made the vector; those of others are no match
    vector     real[] NOT NULL,             -- of length 1
    learned_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX patterns_of_one_kind ON patterns (embedding, language);

-- Who learned a pattern: it stays as long as one of them stands by it.
CREATE TABLE pattern_learners (
    pattern text NOT NULL REFERENCES patterns (id),
    key     text NOT NULL,                  -- the effect key of a run
    PRIMARY KEY (key, pattern)
);
CREATE INDEX pattern_learners_of_pattern ON pattern_learners (pattern);

-- Runs that were undone: what they are late to learn is refused.
CREATE TABLE pattern_unlearners (
    key        text PRIMARY KEY,
    undone_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
