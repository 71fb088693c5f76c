-- Retention: what tells which leaves and rows may go, and how the chores are shared (rule O5).

-- The newest V of a leaf is found by its block ranges; they cost an insert next to nothing.
create index events_v on events using brin (v);

-- The oldest instant that a run's waits count from: its trigger's V, or the floor of its open wait.
-- NULL in rows from before this column; their documents say it.
alter table runs_active add column looks_back_to timestamptz;
create index runs_active_looks_back_to on runs_active using brin (looks_back_to) with (pages_per_range = 16);

create index duplicates_dropped_at on duplicates (dropped_at);
create index identity_notes_noted_at on identity_notes (noted_at);
create index enrolments_automation_id on enrolments (automation_id);

-- Late matches go with their run (rule R4); few waits ever find one.
create index closed_waits_late on closed_waits (run_id) where late is not null;

-- When a chore that one worker does for all was last begun.
create table chores (
  name text primary key,
  begun_at timestamptz not null
);
