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

-- Addresses that nothing is sent to any more (rule F4). Only their keyed hashes are kept, so that they
-- survive the erasure of whoever had them (rule I5). contact_id is who held the address then: a hint,
-- by which a list can tell whether somebody still does.
create table suppressions (
  address_hash bytea not null check (length(address_hash) = 32),
  contact_id bigint,
  at timestamptz not null,
  kind text not null check (kind = 'email'),
  reason text not null check (reason in ('bounced', 'complained', 'suppressed', 'operator')),
  source text not null,
  primary key (kind, address_hash)
);
create index suppressions_at on suppressions (at);

-- --- segments and topics ----------------------------------------------------------------------------

create table segments (
  segment_id uuid primary key default gen_random_uuid(),
  name text not null unique,
  created_at timestamptz not null
);

-- `default_subscription` holds for whoever has not chosen.
create table subscription_topics (
  topic_id uuid primary key default gen_random_uuid(),
  key text not null unique,
  name text not null,
  description text,
  default_subscription text not null check (default_subscription in ('opt_in', 'opt_out')),
  created_at timestamptz not null
);

-- Who is in a segment, and who has chosen what about a topic. The contact's profile decides; these
-- are its index, written in the transaction that changes the profile, for lists.
create table segment_members (
  segment_id uuid not null,
  contact_id bigint not null,
  added_at timestamptz not null,
  added_by text not null,
  primary key (segment_id, contact_id)
);
create table topic_choices (
  contact_id bigint not null,
  chosen_at timestamptz not null,
  is_subscribed boolean not null,
  topic text not null,
  chosen_by text not null,
  primary key (topic, contact_id)
);
insert into topic_choices (contact_id, chosen_at, is_subscribed, topic, chosen_by)
select contact_id, (profile -> 'stamps' -> ('topics.' || key) ->> 0)::timestamptz, value::boolean, key,
  profile -> 'stamps' -> ('topics.' || key) ->> 1
from contacts cross join lateral json_each_text(profile -> 'topics')
where deleted_at is null and merged_into is null;

-- --- effects ----------------------------------------------------------------------------------------

-- What consent is judged by when a send is claimed (rule F4).
alter table outbox
  add column category text not null default 'marketing' check (category in ('marketing', 'transactional')),
  add column topic text;

-- Events that steps emit go to the input topics (rule S6).
alter table kafka_outbox
  drop constraint kafka_outbox_topic_check,
  add constraint kafka_outbox_topic_check check (topic in ('receipts', 'dead-letters', 'events', 'contacts'));
