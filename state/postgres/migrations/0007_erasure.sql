-- People who are deleted (rule I5): keyed hashes of what named them, with the time, stay.

-- Events about it with V before `before` are erased. The hash is hashing.py's.
create table erased_identifiers (
  hash bytea primary key check (length(hash) = 32),
  before timestamptz not null
);

-- Copied to the link when a name that was erased is seen again, so that known people cost no lookup.
alter table identifiers add column erased_before timestamptz;

-- What is left to erase after the turn of a deletion: bytes in quarantine and audit that hold a name,
-- and messages that a sender has kept. The names leave when that is done.
create table erasures (
  erasure_id bigint generated always as identity primary key,
  asked_at timestamptz not null,
  before timestamptz not null,
  done_at timestamptz,
  contact_ids bigint[] not null,
  identifiers json
);
create index erasures_open on erasures (erasure_id) where done_at is null;

create index messages_contact_id on messages (contact_id);
create index outbox_contact_id on outbox (contact_id);

alter table identity_notes drop constraint identity_notes_verdict_check;
alter table identity_notes add constraint identity_notes_verdict_check check (verdict in
  ('merge_blocked', 'identifier_taken', 'identifier_released', 'merged', 'deleted', 'erased'));
