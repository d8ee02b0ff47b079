-- Block all writers of the log until this transaction ends; readers are not blocked.
LOCK TABLE events IN EXCLUSIVE MODE
