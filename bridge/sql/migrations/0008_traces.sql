-- Which trace a dispatch goes on with: the one in which its event was taken in.
alter table dispatches add column trace text;
comment on column dispatches.trace is
    'W3C trace context: traceparent, and tracestate behind a blank; null when nobody traces';
