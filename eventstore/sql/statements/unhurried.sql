-- No statement timeout in this transaction: the client watches the progress.
SET LOCAL statement_timeout = 0
