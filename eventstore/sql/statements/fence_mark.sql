-- A mark: the last drawn position, the transactions that may still write below it, and the server's start.
SELECT last, holders, server FROM fence_mark()
