-- What was called back and not settled is looked for while automations are paused (rules T3, I5): few
-- rows, in a table that holds what is on its way. Locks `outbox` against writing for a moment.
create index outbox_called_back on outbox (due_at) where withdrawn_at is not null;
