-- The arms of a wait for several events that were met before it timed out, by their places: only the
-- others can still find a late event (rules W5, W7).
alter table closed_waits add column met integer[] not null default '{}';
