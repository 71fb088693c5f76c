-- Pauses: an automation is held or frozen, and released (rule T3).

-- `freezes` are the freezes that are over, as [since, until] in order: deadlines are moved by them
-- when they are looked at, so that a freeze and its release write this one row.
alter table automations
  add column pause text check (pause in ('hold', 'freeze')),
  add column paused_at timestamptz,
  add column freezes json not null default '[]',
  add constraint automations_paused check ((pause is null) = (paused_at is null));
create index automations_pause on automations (pause);

-- A start may be held, and an answer that was kept for a send makes its run due.
alter table runs_active
  drop constraint runs_active_activity_check,
  drop constraint runs_active_due,
  add constraint runs_active_activity_check check (activity in ('waiting', 'delayed', 'sending', 'held')),
  add constraint runs_active_due check (due_at is not null or activity in ('waiting', 'sending'));
-- For sweeps while some automation is paused, and for what its release would fire.
create index runs_active_automation_due on runs_active (automation_id, is_held, due_at) where due_at is not null;

-- What a paused automation has asked for is not sent. An effect's key begins with the automation
-- (state/effect.py); a column of its own would rewrite the table.
create index outbox_automation_due on outbox (split_part(key, ':', 1), due_at);
