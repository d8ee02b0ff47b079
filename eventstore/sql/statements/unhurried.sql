-- Let this transaction's statements take as long as they need: the client watches their progress.
SET LOCAL statement_timeout = 0
