-- A mark: the last drawn position, the transactions that may still write below it, and the server's start; if there are
-- no such transactions, the highest event at or below it.
SELECT last, holders, server, head, head_uid FROM fence_mark()
