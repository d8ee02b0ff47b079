-- How far positions have been drawn, the transactions that may still write below that, and on which server.
SELECT last, holders, server FROM fence_mark()
