-- Consent and what it is kept by: the secret that hashes are keyed with.

-- Made once, here, and never changed: what was hashed with one would not be found with another. Two
-- random UUIDs are 244 random bits.
create table if not exists secrets (
  name text primary key,
  value bytea not null check (length(value) >= 32)
);
insert into secrets (name, value)
values ('erasure', uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
on conflict do nothing;
