-- The channel to LISTEN on.
SELECT events_channel()
