-- What is served over HTTP: keys, and lists of runs.

-- Of a secret only the SHA-256 is kept: it is 256 random bits, which no dictionary holds.
create table api_keys (
  key_id text primary key check (key_id ~ '^[0-9a-f]{12}$'),
  hash bytea not null check (length(hash) = 32),
  name text not null,
  scope text not null check (scope in ('read', 'send', 'full')),
  created_at timestamptz not null,
  created_by text not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
) with (fillfactor = 85);

-- Finished runs are listed by status too: with it in the index every page is one walk a status,
-- however rare the status is. It takes the place of the index without, so that a run writes as many
-- entries as before. Locks `runs_done` against writing while it is built.
drop index runs_done_automation;
create index runs_done_automation on runs_done (automation_id, status, created_at);
