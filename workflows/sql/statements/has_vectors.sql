-- Whether pgvector's type can be used here.
SELECT to_regtype('vector') IS NOT NULL
