-- People who turn out to be one (rule I3): history stays under the number it came by, and is read
-- through the merge set; so the set must be found from the survivor.

-- Links are ordered by when their events were recorded, so that the order survives a merge.
alter table identifiers drop column ordinal;

create index contacts_merged_into on contacts (merged_into) where merged_into is not null;

alter table contacts add constraint contacts_merged_into_another check (merged_into <> contact_id);

alter table identity_notes drop constraint identity_notes_verdict_check;
alter table identity_notes add constraint identity_notes_verdict_check
  check (verdict in ('merge_blocked', 'identifier_taken', 'identifier_released', 'merged'));

-- Every merge, with enough to take it back: identifiers, both profiles, runs that changed hands.
create table merges (
  merge_id uuid primary key,
  survivor bigint not null,
  merged bigint not null,
  merged_at timestamptz not null,
  "offset" bigint not null,
  partition integer not null,
  topic text not null,
  stream_epoch text not null,
  event_id text not null,
  undo json,
  undone_at timestamptz,
  undone_by text
);
create index merges_survivor on merges (survivor, merged_at);
create index merges_merged_at on merges (merged_at);
