-- How far positions have been drawn, and the transactions that may still write below that.
SELECT last, holders FROM fence_mark()
