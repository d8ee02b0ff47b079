-- Keep every writer off the log until this transaction ends; readers go on.
LOCK TABLE events IN EXCLUSIVE MODE
