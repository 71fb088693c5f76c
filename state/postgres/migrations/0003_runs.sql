-- Runs that are ended from outside: what they had asked for does not go out (rules F3, F4, R2).

-- Set when the run of a message ended while a worker had claimed it: it is not tried again.
alter table outbox add column withdrawn_at timestamptz, add column withdrawn_why text,
  add constraint outbox_withdrawn check ((withdrawn_at is null) = (withdrawn_why is null));

-- A cancel that lost to a send in flight (rule F4).
alter table messages add column sent_after_cancel boolean not null default false;

-- What operators did with one run, or with one automation (rule O4).
create index audit_target on audit (target, id);

-- A message that a retry sends anew under its key makes room; this is what it is still shown as on
-- the run in which it failed (rule R3).
alter table messages add column shown_id uuid;
