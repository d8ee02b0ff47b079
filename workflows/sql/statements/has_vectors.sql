-- Whether pgvector's type is available.
SELECT to_regtype('vector') IS NOT NULL
